// Package token reads and writes join tokens: K10<hash of the server's CA>::<user>:<secret>, or a bare secret.
package token

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

const prefix = "K10"

// The users that a token may name: a server's token joins anything, a node's joins agents only.
const (
	ServerUser = "server"
	NodeUser   = "node"
)

// Token is a parsed join token. CAHash is empty where only a secret was given.
type Token struct {
	CAHash string
	User   string
	Secret string
}

var hashPattern = regexp.MustCompile(`^[0-9a-f]{64}$`)

// Parse reads a full token or a bare secret.
func Parse(given string) (Token, error) {
	given = strings.TrimSpace(given)
	if given == "" {
		return Token{}, errors.New("the token is empty")
	}
	if strings.ContainsAny(given, " \t\n") {
		return Token{}, errors.New("the token holds blanks or line breaks")
	}
	if !strings.HasPrefix(given, prefix) {
		if strings.Contains(given, "::") {
			return Token{}, errors.New("the token is cut short: a full token starts with K10")
		}
		return Token{User: ServerUser, Secret: given}, nil
	}
	hash, credentials, found := strings.Cut(strings.TrimPrefix(given, prefix), "::")
	user, secret, split := strings.Cut(credentials, ":")
	if !found || !split || secret == "" || !hashPattern.MatchString(hash) {
		return Token{}, errors.New("the token is damaged: it must be K10<64 hexadecimal digits>::server:<secret>")
	}
	return Token{CAHash: hash, User: user, Secret: secret}, nil
}

// String returns the full token.
func (t Token) String() string {
	return fmt.Sprintf("%s%s::%s:%s", prefix, t.CAHash, t.User, t.Secret)
}

// Hash is how a token names a CA: over the bytes that the server sends for /cacerts.
func Hash(ca []byte) string {
	sum := sha256.Sum256(ca)
	return hex.EncodeToString(sum[:])
}

// NewSecret makes a secret of 32 hexadecimal digits.
func NewSecret() string {
	secret := make([]byte, 16)
	if _, err := rand.Read(secret); err != nil {
		panic(err) // the kernel's random source does not fail
	}
	return hex.EncodeToString(secret)
}
