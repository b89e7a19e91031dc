package controlplane

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"k3s/internal/files"
	"k3s/internal/join"
	"k3s/internal/token"
)

// The files with tokens below server/.
const (
	tokenFile      = "token"
	nodeTokenFile  = "node-token"
	agentTokenFile = "agent-token"
	joinFile       = "etc/join.json"
)

// makeTokens writes the files with the tokens by which nodes join.
func (p *Plane) makeTokens() error {
	ca, err := os.ReadFile(p.tls(serverCA) + ".crt")
	if err != nil {
		return err
	}
	hash := token.Hash(ca)
	secret, err := p.clusterSecret(hash)
	if err != nil {
		return err
	}
	own := token.Token{CAHash: hash, User: token.ServerUser, Secret: secret}
	if _, err := files.Write(p.path(tokenFile), []byte(own.String()+"\n"), 0o600); err != nil {
		return err
	}
	if p.config.AgentToken == "" {
		for _, name := range []string{nodeTokenFile, agentTokenFile} {
			if err := files.Link(p.path(tokenFile), p.path(name)); err != nil {
				return err
			}
		}
		return nil
	}
	given, err := token.Parse(p.config.AgentToken)
	if err != nil {
		return fmt.Errorf("agent-token: %w", err)
	}
	agents := token.Token{CAHash: hash, User: token.NodeUser, Secret: given.Secret}
	if err := files.Replace(p.path(agentTokenFile), []byte(agents.String()+"\n"), 0o600); err != nil {
		return err
	}
	return files.Link(p.path(agentTokenFile), p.path(nodeTokenFile))
}

// clusterSecret is the secret that the cluster has, the configured one for a new cluster, or a new one. A server that
// joined another takes the configured one: where it was rotated there, this server is told so by its configuration.
func (p *Plane) clusterSecret(hash string) (string, error) {
	var wanted token.Token
	if p.config.Token != "" {
		var err error
		if wanted, err = token.Parse(p.config.Token); err != nil {
			return "", fmt.Errorf("token: %w", err)
		}
		if wanted.CAHash != "" && wanted.CAHash != hash {
			return "", fmt.Errorf("token: it names the CA of another cluster (%.16s…, here it is %.16s…): "+
				"give the secret alone, or restore the data directory %s", wanted.CAHash, hash, p.config.DataDir)
		}
	}
	content, err := os.ReadFile(p.path(tokenFile))
	if errors.Is(err, fs.ErrNotExist) {
		if wanted.Secret == "" {
			return token.NewSecret(), nil
		}
		return wanted.Secret, nil
	}
	if err != nil {
		return "", err
	}
	kept, err := token.Parse(string(content))
	if err != nil {
		return "", fmt.Errorf("%s: %w", p.path(tokenFile), err)
	}
	if wanted.Secret != "" && p.config.ServerURL != "" {
		return wanted.Secret, nil
	}
	if wanted.Secret != "" && wanted.Secret != kept.Secret {
		return "", fmt.Errorf("token: it is not the one this cluster has, which is in %s: "+
			"configure that one, or remove %s to start a new cluster", p.path(tokenFile), p.config.DataDir)
	}
	return kept.Secret, nil
}

// writeJoinSettings tells the API server's process what to answer nodes that join.
func (p *Plane) writeJoinSettings() error {
	settings := join.Settings{
		TLSDir:      p.path("tls"),
		SecretFiles: []string{p.path(tokenFile), p.path(agentTokenFile)},
		ServerFile:  p.path(tokenFile),
		Cluster:     p.Cluster(),
	}
	if p.config.Clustered() {
		settings.Etcd = p.databaseURL(p.databaseHost(), etcdClientPort)
	}
	content, err := json.MarshalIndent(settings, "", "  ")
	if err != nil {
		return err
	}
	_, err = files.Write(p.path(joinFile), content, 0o600)
	return err
}

// Token is the full token with which this server's own node joins.
func (p *Plane) Token() (token.Token, error) {
	content, err := os.ReadFile(p.path(tokenFile))
	if err != nil {
		return token.Token{}, err
	}
	return token.Parse(string(content))
}
