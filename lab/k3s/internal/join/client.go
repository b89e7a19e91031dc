package join

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"k3s/internal/files"
	"k3s/internal/pki"
	"k3s/internal/token"
)

// RefusedError says that the server was reached and will not have this node, so trying again does not help.
type RefusedError struct{ reason string }

func (e *RefusedError) Error() string { return e.reason }

func refuse(format string, args ...any) error {
	return &RefusedError{fmt.Sprintf(format, args...)}
}

// Node is who wants to join.
type Node struct {
	Server string // https://HOST:PORT
	Token  token.Token
	Name   string
	IP     string
	Dir    string // where certificates and keys go
}

const (
	attemptTimeout = 10 * time.Second
	retryPause     = 2 * time.Second
	clusterFile    = "cluster.json"
)

// Join gets the node's certificates, retrying until the server answers. A node that has joined before goes on
// with what it has when the server is away, so that its pods start again.
func Join(ctx context.Context, node Node, log func(format string, args ...any)) (Cluster, error) {
	var cluster Cluster
	err := insist(ctx, node.Server, log, func() error {
		var err error
		if cluster, err = joinOnce(ctx, node); err == nil || final(ctx, err) {
			return err
		}
		again, ok := kept(node.Dir)
		if !ok {
			return err
		}
		log("server %s does not answer (%v): going on with the certificates of the last start", node.Server, err)
		cluster = again
		return nil
	})
	return cluster, err
}

// final says whether trying again is of no use.
func final(ctx context.Context, err error) bool {
	var refused *RefusedError
	return errors.As(err, &refused) || ctx.Err() != nil
}

// insist asks a server until it answers, and says once what it waits for.
func insist(ctx context.Context, server string, log func(format string, args ...any), ask func() error) error {
	told := ""
	for {
		err := ask()
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case final(ctx, err):
			return err
		}
		if err.Error() != told {
			told = err.Error()
			log("waiting for the server %s: %v", server, err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(retryPause):
		}
	}
}

func joinOnce(ctx context.Context, node Node) (Cluster, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	ca, err := fetchCA(ctx, node.Server, node.Token)
	if err != nil {
		return Cluster{}, err
	}
	request := Request{NodeName: node.Name, NodeIP: node.IP, Requests: map[string]string{}}
	for _, name := range Certificates {
		// Keys of certificates in use stay until the answer is there.
		pem, err := pki.Request(filepath.Join(node.Dir, "new-"+name))
		if err != nil {
			return Cluster{}, err
		}
		request.Requests[name] = string(pem)
	}
	response, err := send(ctx, node, ca, request)
	if err != nil {
		return Cluster{}, err
	}
	return response.Cluster, keep(node.Dir, ca, response)
}

// fetchCA gets the server's CA and checks it against the token before anything secret is sent.
func fetchCA(ctx context.Context, server string, given token.Token) ([]byte, error) {
	unverified := &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // the token's hash is what verifies the answer
	}}
	defer unverified.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, server+pathCACerts, nil)
	if err != nil {
		return nil, err
	}
	ca, status, err := read(unverified, request)
	if err != nil {
		return nil, err
	}
	if status != http.StatusOK {
		return nil, fmt.Errorf("%s%s answered %d", server, pathCACerts, status)
	}
	if have := token.Hash(ca); given.CAHash != "" && given.CAHash != have {
		return nil, refuse("the CA of %s is not the one the token names: the token says %.16s…, the server has %.16s…; "+
			"use the token in the server's node-token file", server, given.CAHash, have)
	}
	return ca, nil
}

func send(ctx context.Context, node Node, ca []byte, request Request) (Response, error) {
	body, err := json.Marshal(request)
	if err != nil {
		return Response{}, err
	}
	post, err := http.NewRequestWithContext(ctx, http.MethodPost, node.Server+pathJoin, bytes.NewReader(body))
	if err != nil {
		return Response{}, err
	}
	post.SetBasicAuth(token.NodeUser, node.Token.Secret)
	var response Response
	return response, trusted(node.Server, ca, post, &response)
}

// trusted sends a request to a server of this authority and reads what it answers.
func trusted(server string, ca []byte, request *http.Request, into any) error {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca) {
		return fmt.Errorf("%s%s sent no certificate", server, pathCACerts)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	defer client.CloseIdleConnections()
	answer, status, err := read(client, request)
	var untrusted *tls.CertificateVerificationError
	switch {
	case errors.As(err, &untrusted):
		return refuse("%s: %v; add the address to the server's tls-san", server, untrusted)
	case err != nil:
		return err
	case status == http.StatusUnauthorized:
		return refuse("%s refused the token: it is not this cluster's; use the one in the server's node-token file", server)
	case status == http.StatusBadRequest:
		return refuse("%s refused this node: %s", server, strings.TrimSpace(string(answer)))
	case status != http.StatusOK:
		return fmt.Errorf("%s%s answered %d: %.200s", server, request.URL.Path, status, answer)
	}
	return json.Unmarshal(answer, into)
}

func read(client *http.Client, request *http.Request) ([]byte, int, error) {
	response, err := client.Do(request)
	if err != nil {
		return nil, 0, err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	return content, response.StatusCode, err
}

// keep stores what the server answered; the settings come last, so that a cut-off write is no finished join.
func keep(dir string, ca []byte, response Response) error {
	if err := os.Remove(filepath.Join(dir, clusterFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for _, name := range Certificates {
		certificate, base := response.Certificates[name], filepath.Join(dir, name)
		if certificate == "" {
			return fmt.Errorf("the server sent no certificate %s", name)
		}
		if _, err := files.Write(base+".crt", []byte(certificate), 0o644); err != nil {
			return err
		}
		if err := os.Rename(filepath.Join(dir, "new-"+name+".key"), base+".key"); err != nil {
			return err
		}
	}
	for name, content := range map[string][]byte{"server-ca.crt": ca, "client-ca.crt": []byte(response.ClientCA)} {
		if _, err := files.Write(filepath.Join(dir, name), content, 0o644); err != nil {
			return err
		}
	}
	content, err := json.MarshalIndent(response.Cluster, "", "  ")
	if err != nil {
		return err
	}
	_, err = files.Write(filepath.Join(dir, clusterFile), content, 0o600)
	return err
}

// kept returns the settings of an earlier join whose certificates are still good.
func kept(dir string) (Cluster, bool) {
	content, err := os.ReadFile(filepath.Join(dir, clusterFile))
	if err != nil {
		return Cluster{}, false
	}
	var cluster Cluster
	if json.Unmarshal(content, &cluster) != nil {
		return Cluster{}, false
	}
	for _, name := range Certificates {
		if !pki.Usable(filepath.Join(dir, name)) {
			return Cluster{}, false
		}
	}
	return cluster, true
}
