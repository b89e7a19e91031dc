// Package pki makes the certificate authorities of a cluster and the certificates below them.
package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"slices"
	"time"

	"k3s/internal/files"
)

const (
	authorityYears = 10
	leafYears      = 1
	// A certificate this close to its end is made anew when the node starts.
	renewBefore = 90 * 24 * time.Hour
	// Clocks of nodes may differ by this much.
	clockSkew = 5 * time.Minute
)

// Subject is who a certificate is for.
type Subject struct {
	Name   string
	Groups []string
	// Hosts are the DNS names and addresses of a serving certificate; a client certificate has none.
	Hosts []string
	// Peer: a certificate with hosts that also serves as a client's, as members of etcd need.
	Peer bool
}

// Authority is a certificate authority whose key is at hand.
type Authority struct {
	PEM         []byte
	certificate *x509.Certificate
	key         crypto.Signer
}

// OpenAuthority reads the authority at BASE.crt and BASE.key and makes it where there is none.
func OpenAuthority(base, name string) (*Authority, error) {
	_, certErr := os.Stat(base + ".crt")
	_, keyErr := os.Stat(base + ".key")
	if errors.Is(certErr, os.ErrNotExist) && errors.Is(keyErr, os.ErrNotExist) {
		if err := makeAuthority(base, name); err != nil {
			return nil, err
		}
	}
	return ReadAuthority(base)
}

// ReadAuthority reads the authority at BASE.crt and BASE.key.
func ReadAuthority(base string) (*Authority, error) {
	certificate, content, err := readCertificate(base + ".crt")
	if err != nil {
		return nil, err
	}
	key, err := readKey(base + ".key")
	if err != nil {
		return nil, err
	}
	if !samePublicKey(certificate.PublicKey, key.Public()) {
		return nil, fmt.Errorf("%s.crt and %s.key do not belong together", base, base)
	}
	return &Authority{PEM: content, certificate: certificate, key: key}, nil
}

func makeAuthority(base, name string) error {
	key, err := newKey(base + ".key")
	if err != nil {
		return err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber:          serial(),
		Subject:               pkix.Name{CommonName: fmt.Sprintf("%s@%d", name, now.Unix())},
		NotBefore:             now.Add(-clockSkew),
		NotAfter:              now.AddDate(authorityYears, 0, 0),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	_, err = files.Write(base+".crt", encode("CERTIFICATE", der), 0o644)
	return err
}

// Ensure keeps a certificate and its key at BASE.crt and BASE.key: it makes them when they are missing,
// about to end, of another authority or for another subject.
func (a *Authority) Ensure(base string, subject Subject) error {
	if a.valid(base, subject) {
		return nil
	}
	key, err := newKey(base + ".key")
	if err != nil {
		return err
	}
	content, err := a.sign(key.Public(), subject)
	if err != nil {
		return err
	}
	_, err = files.Write(base+".crt", content, 0o644)
	return err
}

func (a *Authority) valid(base string, subject Subject) bool {
	certificate, _, err := readCertificate(base + ".crt")
	if err != nil {
		return false
	}
	key, err := readKey(base + ".key")
	if err != nil || !samePublicKey(certificate.PublicKey, key.Public()) {
		return false
	}
	return certificate.CheckSignatureFrom(a.certificate) == nil && fits(certificate, subject)
}

func fits(certificate *x509.Certificate, subject Subject) bool {
	var hosts []string
	hosts = append(hosts, certificate.DNSNames...)
	for _, address := range certificate.IPAddresses {
		hosts = append(hosts, address.String())
	}
	groups := slices.Clone(certificate.Subject.Organization)
	wanted := slices.Clone(subject.Groups)
	wantedHosts := unique(subject.Hosts)
	for _, items := range [][]string{hosts, groups, wanted, wantedHosts} {
		slices.Sort(items)
	}
	return time.Until(certificate.NotAfter) > renewBefore && certificate.Subject.CommonName == subject.Name &&
		slices.Equal(groups, wanted) && slices.Equal(hosts, wantedHosts)
}

// SignRequest signs a certificate request's key for the subject; the request's own subject does not count.
func (a *Authority) SignRequest(request []byte, subject Subject) ([]byte, error) {
	block, _ := pem.Decode(request)
	if block == nil {
		return nil, errors.New("the certificate request is no PEM")
	}
	parsed, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return nil, err
	}
	if err := parsed.CheckSignature(); err != nil {
		return nil, err
	}
	return a.sign(parsed.PublicKey, subject)
}

func (a *Authority) sign(key crypto.PublicKey, subject Subject) ([]byte, error) {
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: serial(),
		Subject:      pkix.Name{CommonName: subject.Name, Organization: subject.Groups},
		NotBefore:    now.Add(-clockSkew),
		NotAfter:     now.AddDate(leafYears, 0, 0),
		KeyUsage:     x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
	}
	if len(subject.Hosts) > 0 {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	if len(subject.Hosts) == 0 || subject.Peer {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageClientAuth)
	}
	for _, host := range unique(subject.Hosts) {
		if address := net.ParseIP(host); address != nil {
			template.IPAddresses = append(template.IPAddresses, address)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key, a.key)
	if err != nil {
		return nil, err
	}
	return encode("CERTIFICATE", der), nil
}

// Request makes a key at BASE.key and a certificate request for it.
func Request(base string) ([]byte, error) {
	key, err := newKey(base + ".key")
	if err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		return nil, err
	}
	return encode("CERTIFICATE REQUEST", der), nil
}

// Usable says whether BASE.crt and BASE.key belong together and are good for a while.
func Usable(base string) bool {
	certificate, _, err := readCertificate(base + ".crt")
	if err != nil {
		return false
	}
	key, err := readKey(base + ".key")
	return err == nil && samePublicKey(certificate.PublicKey, key.Public()) && time.Now().Before(certificate.NotAfter)
}

// EnsureRSAKey keeps a key for signing service account tokens.
func EnsureRSAKey(path string) error {
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	_, err = files.Write(path, encode("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key)), 0o600)
	return err
}

func newKey(path string) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	_, err = files.Write(path, encode("EC PRIVATE KEY", der), 0o600)
	return key, err
}

func readCertificate(path string) (*x509.Certificate, []byte, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, err
	}
	block, _ := pem.Decode(content)
	if block == nil {
		return nil, nil, fmt.Errorf("%s is no PEM certificate", path)
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	return certificate, content, nil
}

func readKey(path string) (*ecdsa.PrivateKey, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(content)
	if block == nil {
		return nil, fmt.Errorf("%s is no PEM key", path)
	}
	key, err := x509.ParseECPrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return key, nil
}

func samePublicKey(one, other crypto.PublicKey) bool {
	key, ok := one.(*ecdsa.PublicKey)
	return ok && key.Equal(other)
}

func unique(items []string) []string {
	items = slices.Clone(items)
	slices.Sort(items)
	return slices.Compact(items)
}

func serial() *big.Int {
	limit := new(big.Int).Lsh(big.NewInt(1), 127)
	number, err := rand.Int(rand.Reader, limit)
	if err != nil {
		panic(err) // the kernel's random source does not fail
	}
	return number
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
