package pki

import (
	"encoding/base64"
	"fmt"
	"os"

	"k3s/internal/files"
)

const kubeconfig = `apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: %s
    server: %s
  name: default
contexts:
- context:
    cluster: default
    user: default
  name: default
current-context: default
kind: Config
preferences: {}
users:
- name: default
  user:
    client-certificate-data: %s
    client-key-data: %s
`

// WriteKubeconfig writes a kubeconfig that holds the CA and the client certificate at BASE.crt and BASE.key.
func WriteKubeconfig(path, server string, ca []byte, base string, mode os.FileMode) error {
	certificate, err := os.ReadFile(base + ".crt")
	if err != nil {
		return err
	}
	key, err := os.ReadFile(base + ".key")
	if err != nil {
		return err
	}
	encode := base64.StdEncoding.EncodeToString
	content := fmt.Sprintf(kubeconfig, encode(ca), server, encode(certificate), encode(key))
	_, err = files.Write(path, []byte(content), mode)
	return err
}
