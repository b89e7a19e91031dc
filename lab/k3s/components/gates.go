//go:build !kubernetes_1_32

package components

import (
	"context"

	utilfeature "k8s.io/apiserver/pkg/util/feature"
	utilversion "k8s.io/apiserver/pkg/util/version"
	"k8s.io/component-base/featuregate"
	"k8s.io/kubernetes/cmd/kube-apiserver/app/options"
)

// registry holds the version and the feature gates of the components in this program.
var registry = utilversion.DefaultComponentGlobalsRegistry

// apiServerGates returns the API server's feature gates, and registers them where nobody has yet.
func apiServerGates() featuregate.MutableVersionedFeatureGate {
	_, gates := registry.ComponentGlobalsOrRegister(
		utilversion.DefaultKubeComponent, utilversion.DefaultBuildEffectiveVersion(), utilfeature.DefaultMutableFeatureGate)
	return gates
}

// complete fills in what the flags leave open.
func complete(_ context.Context, settings *options.ServerRunOptions) (options.CompletedOptions, error) {
	return settings.Complete()
}
