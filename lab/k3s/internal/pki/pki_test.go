package pki

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func authority(t *testing.T) (*Authority, string) {
	t.Helper()
	directory := t.TempDir()
	made, err := OpenAuthority(filepath.Join(directory, "ca"), "test-ca")
	if err != nil {
		t.Fatal(err)
	}
	return made, directory
}

func certificate(t *testing.T, base string) *x509.Certificate {
	t.Helper()
	read, _, err := readCertificate(base + ".crt")
	if err != nil {
		t.Fatal(err)
	}
	return read
}

func TestAnAuthorityIsMadeOnce(t *testing.T) {
	made, directory := authority(t)
	again, err := OpenAuthority(filepath.Join(directory, "ca"), "test-ca")
	if err != nil || !bytes.Equal(made.PEM, again.PEM) {
		t.Error(err)
	}
}

func TestAnAuthorityWithoutItsKeyIsNotReplaced(t *testing.T) {
	_, directory := authority(t)
	if err := os.Remove(filepath.Join(directory, "ca.key")); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenAuthority(filepath.Join(directory, "ca"), "test-ca"); err == nil {
		t.Error("a new key was made for an old certificate")
	}
}

func TestACertificateIsMadeAgainWhenItNoLongerFits(t *testing.T) {
	made, directory := authority(t)
	base := filepath.Join(directory, "leaf")
	subject := Subject{Name: "api", Hosts: []string{"localhost", "127.0.0.1", "localhost"}}
	ensure := func() []byte {
		t.Helper()
		if err := made.Ensure(base, subject); err != nil {
			t.Fatal(err)
		}
		content, err := os.ReadFile(base + ".crt")
		if err != nil {
			t.Fatal(err)
		}
		return content
	}
	first := ensure()
	if !bytes.Equal(first, ensure()) {
		t.Error("made again although it fits")
	}
	subject.Hosts = append(subject.Hosts, "192.0.2.10")
	second := ensure()
	if bytes.Equal(first, second) {
		t.Error("not made again for another address")
	}
	if err := os.WriteFile(base+".key", []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(second, ensure()) {
		t.Error("not made again for a damaged key")
	}
	if _, err := tls.LoadX509KeyPair(base+".crt", base+".key"); err != nil {
		t.Error(err)
	}
}

func TestCertificatesServeOneUse(t *testing.T) {
	made, directory := authority(t)
	for name, one := range map[string]struct {
		subject Subject
		uses    []x509.ExtKeyUsage
	}{
		"serving": {Subject{Name: "a", Hosts: []string{"a"}}, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}},
		"client":  {Subject{Name: "a"}, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}},
		"peer": {Subject{Name: "a", Hosts: []string{"a"}, Peer: true},
			[]x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}},
	} {
		base := filepath.Join(directory, name)
		if err := made.Ensure(base, one.subject); err != nil {
			t.Fatal(err)
		}
		if got := certificate(t, base).ExtKeyUsage; !slices.Equal(got, one.uses) {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestARequestDoesNotChooseItsSubject(t *testing.T) {
	made, directory := authority(t)
	base := filepath.Join(directory, "node")
	request, err := Request(base)
	if err != nil {
		t.Fatal(err)
	}
	content, err := made.SignRequest(request, Subject{Name: "system:node:a", Groups: []string{"system:nodes"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(base+".crt", content, 0o600); err != nil {
		t.Fatal(err)
	}
	got := certificate(t, base)
	if got.Subject.CommonName != "system:node:a" || !slices.Equal(got.Subject.Organization, []string{"system:nodes"}) || got.IsCA {
		t.Error(got.Subject, got.IsCA)
	}
	if !Usable(base) {
		t.Error("not usable")
	}
	if _, err := made.SignRequest([]byte("no PEM"), Subject{Name: "x"}); err == nil {
		t.Error("signed nonsense")
	}
}
