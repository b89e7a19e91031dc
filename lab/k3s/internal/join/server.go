package join

import (
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"k3s/internal/pki"
	"k3s/internal/token"
)

var nodeNamePattern = regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$`)

type handler struct {
	settings Settings
	serving  *pki.Authority
	clients  *pki.Authority
	mux      *http.ServeMux
}

// NewHandler answers the join paths as the launcher's settings file says.
func NewHandler(settingsFile string) (http.Handler, error) {
	content, err := os.ReadFile(settingsFile)
	if err != nil {
		return nil, err
	}
	h := &handler{mux: http.NewServeMux()}
	if err := json.Unmarshal(content, &h.settings); err != nil {
		return nil, fmt.Errorf("%s: %w", settingsFile, err)
	}
	if h.serving, err = pki.ReadAuthority(filepath.Join(h.settings.TLSDir, "server-ca")); err != nil {
		return nil, err
	}
	if h.clients, err = pki.ReadAuthority(filepath.Join(h.settings.TLSDir, "client-ca")); err != nil {
		return nil, err
	}
	h.mux.HandleFunc("GET "+pathCACerts, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		_, _ = w.Write(h.serving.PEM)
	})
	h.mux.HandleFunc("GET "+pathPing, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("pong"))
	})
	h.mux.HandleFunc("POST "+pathJoin, h.join)
	h.mux.HandleFunc("GET "+pathServer, h.bootstrap)
	return h, nil
}

// Mux sends the join paths to the supervisor and everything else to the API server.
func Mux(supervisor, api http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case pathCACerts, pathPing, pathJoin, pathServer:
			supervisor.ServeHTTP(w, r)
		default:
			api.ServeHTTP(w, r)
		}
	})
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mux.ServeHTTP(w, r)
}

func (h *handler) join(w http.ResponseWriter, r *http.Request) {
	_, secret, _ := r.BasicAuth()
	if !knows(secret, h.settings.SecretFiles...) {
		w.Header().Set("WWW-Authenticate", "Basic")
		http.Error(w, "the token is not this cluster's", http.StatusUnauthorized)
		return
	}
	var request Request
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&request); err != nil {
		http.Error(w, "the request cannot be read: "+err.Error(), http.StatusBadRequest)
		return
	}
	response, err := h.answer(request)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	log.Printf("node %s (%s) got its certificates", request.NodeName, request.NodeIP)
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(response)
}

// bootstrap answers a further server. Agents' tokens do not open it: the authorities' keys are in the answer.
func (h *handler) bootstrap(w http.ResponseWriter, r *http.Request) {
	_, secret, _ := r.BasicAuth()
	if !knows(secret, h.settings.ServerFile) {
		w.Header().Set("WWW-Authenticate", "Basic")
		http.Error(w, "the token is not this cluster's for servers", http.StatusUnauthorized)
		return
	}
	if h.settings.Etcd == "" {
		http.Error(w, "it keeps its data to itself; start it with cluster-init first", http.StatusBadRequest)
		return
	}
	answer := Bootstrap{Files: map[string][]byte{}, Etcd: h.settings.Etcd}
	for _, name := range SharedFiles {
		content, err := os.ReadFile(filepath.Join(h.settings.TLSDir, name))
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		answer.Files[name] = content
	}
	log.Printf("%s got what a further server needs", r.RemoteAddr)
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer)
}

func knows(secret string, tokenFiles ...string) bool {
	known := false
	for _, file := range tokenFiles {
		content, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		wanted, err := token.Parse(string(content))
		if err == nil && secret != "" && subtle.ConstantTimeCompare([]byte(secret), []byte(wanted.Secret)) == 1 {
			known = true
		}
	}
	return known
}

func (h *handler) answer(request Request) (Response, error) {
	node := request.NodeName
	if !nodeNamePattern.MatchString(node) {
		return Response{}, fmt.Errorf("%q is no node name", node)
	}
	if net.ParseIP(request.NodeIP) == nil {
		return Response{}, fmt.Errorf("%q is no address of a node", request.NodeIP)
	}
	subjects := map[string]struct {
		authority *pki.Authority
		subject   pki.Subject
	}{
		KubeletClient:  {h.clients, pki.Subject{Name: "system:node:" + node, Groups: []string{"system:nodes"}}},
		KubeletServing: {h.serving, pki.Subject{Name: node, Hosts: []string{node, "localhost", "127.0.0.1", request.NodeIP}}},
		ProxyClient:    {h.clients, pki.Subject{Name: "system:kube-proxy"}},
		NodeClient:     {h.clients, pki.Subject{Name: "system:k3s-controller"}},
	}
	response := Response{
		Certificates: map[string]string{},
		ClientCA:     string(h.clients.PEM),
		Cluster:      h.settings.Cluster,
	}
	for name, pem := range request.Requests {
		wanted, ok := subjects[name]
		if !ok {
			return Response{}, fmt.Errorf("there is no certificate %q; nodes get %s", name, strings.Join(Certificates, ", "))
		}
		certificate, err := wanted.authority.SignRequest([]byte(pem), wanted.subject)
		if err != nil {
			return Response{}, fmt.Errorf("%s: %w", name, err)
		}
		response.Certificates[name] = string(certificate)
	}
	return response, nil
}
