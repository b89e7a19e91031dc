package token

import (
	"strings"
	"testing"
)

const hash = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func TestAFullTokenReadsBackAsItWasWritten(t *testing.T) {
	want := Token{CAHash: hash, User: ServerUser, Secret: "a:b"}
	if got, err := Parse(" " + want.String() + "\n"); err != nil || got != want {
		t.Error(got, err)
	}
}

func TestABareSecretNamesNoAuthority(t *testing.T) {
	if got, err := Parse("secret"); err != nil || got != (Token{User: ServerUser, Secret: "secret"}) {
		t.Error(got, err)
	}
}

func TestDamagedTokensAreRefused(t *testing.T) {
	full := Token{CAHash: hash, User: ServerUser, Secret: "secret"}.String()
	for _, given := range []string{
		"", "two words", full[3:], full[:20], "K10" + hash, "K10" + hash + "::server", "K10" + hash + "::server:",
		"K10" + strings.ToUpper(hash) + "::server:secret",
	} {
		if got, err := Parse(given); err == nil {
			t.Errorf("%q: %v", given, got)
		}
	}
}

func TestSecretsDiffer(t *testing.T) {
	if one, other := NewSecret(), NewSecret(); one == other || len(one) != 32 {
		t.Error(one, other)
	}
}
