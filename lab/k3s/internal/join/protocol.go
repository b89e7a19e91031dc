// Package join is how a node gets its certificates and the cluster's settings from the server, on the API
// server's own port: /cacerts and /ping for anyone, /v1-k3s/join for those who know the token's secret, and what a
// further server needs, /v1-k3s/server-bootstrap, for those who know the servers' own.
package join

// The paths that the server answers itself, ahead of Kubernetes.
const (
	pathCACerts = "/cacerts"
	pathPing    = "/ping"
	pathJoin    = "/v1-k3s/join"
	pathServer  = "/v1-k3s/server-bootstrap"
)

// The certificates that a node asks for, by file name below agent/.
const (
	KubeletClient  = "client-kubelet"
	KubeletServing = "serving-kubelet"
	ProxyClient    = "client-kube-proxy"
	NodeClient     = "client-k3s-controller"
)

// Certificates lists what every node asks for.
var Certificates = []string{KubeletClient, KubeletServing, ProxyClient, NodeClient}

// Request is what a node sends.
type Request struct {
	NodeName string            `json:"nodeName"`
	NodeIP   string            `json:"nodeIP"`
	Requests map[string]string `json:"requests"` // PEM certificate requests by name
}

// Response is what the server answers.
type Response struct {
	Certificates map[string]string `json:"certificates"` // PEM certificates by name
	ClientCA     string            `json:"clientCA"`
	Cluster      Cluster           `json:"cluster"`
}

// Cluster holds the settings that the server decides for all nodes.
type Cluster struct {
	ClusterCIDR          string `json:"clusterCIDR"`
	ServiceCIDR          string `json:"serviceCIDR"`
	NodePorts            string `json:"nodePorts"`
	ClusterDNS           string `json:"clusterDNS"`
	ClusterDomain        string `json:"clusterDomain"`
	WithoutProxy         bool   `json:"withoutProxy"`
	WithoutNetworkPolicy bool   `json:"withoutNetworkPolicy"`
}

// Settings is the file by which the launcher tells the API server's process what to answer.
type Settings struct {
	TLSDir      string   `json:"tlsDir"`
	SecretFiles []string `json:"secretFiles"` // files with a token each that a node may join with
	ServerFile  string   `json:"serverFile"`  // file with the token that a server may join with
	Etcd        string   `json:"etcd"`        // client URL of the database; empty where no server may join
	Cluster     Cluster  `json:"cluster"`
}

// SharedFiles are what all servers of a cluster have in common, by path below server/tls.
var SharedFiles = []string{
	"server-ca.crt", "server-ca.key", "client-ca.crt", "client-ca.key", "etcd/server-ca.crt", "etcd/server-ca.key",
	"service.key",
}

// Bootstrap is what a further server gets.
type Bootstrap struct {
	Files map[string][]byte `json:"files"` // each of SharedFiles
	Etcd  string            `json:"etcd"`  // client URL of the answering server's member
}
