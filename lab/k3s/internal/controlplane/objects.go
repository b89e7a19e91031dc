package controlplane

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/template"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"

	"k3s/internal/host"
)

//go:embed manifests/*.yaml
var manifests embed.FS

const fieldManager = "k3s"

// ApplyObjects brings the objects that belong to this program to the cluster, and removes those of a packaged
// component that was disabled.
func (p *Plane) ApplyObjects(ctx context.Context) error {
	settings, err := p.admin()
	if err != nil {
		return err
	}
	client, err := dynamic.NewForConfig(settings)
	if err != nil {
		return err
	}
	for _, one := range []struct {
		file     string
		disabled bool
	}{
		{"nodes.yaml", false},
		{"runtimes.yaml", p.config.WithoutRuntimes},
		{"coredns.yaml", p.config.WithoutCoreDNS},
	} {
		objects, err := p.render(one.file)
		if err != nil {
			return err
		}
		for _, object := range objects {
			if one.disabled {
				err = remove(ctx, client, object)
			} else {
				err = apply(ctx, client, object)
			}
			if err != nil {
				return fmt.Errorf("%s: %s %s: %w", one.file, object.GetKind(), object.GetName(), err)
			}
		}
	}
	return nil
}

// render fills in a manifest and splits it into objects.
func (p *Plane) render(file string) ([]*unstructured.Unstructured, error) {
	parsed, err := template.ParseFS(manifests, "manifests/"+file)
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	err = parsed.Execute(&text, map[string]any{
		"Domain":  p.config.ClusterDomain,
		"Address": p.config.ClusterDNS,
		// Without a name server to ask, CoreDNS would not start with `forward`.
		"Forward": p.config.ResolvConf != "" || host.ResolvConf() != "",
	})
	if err != nil {
		return nil, err
	}
	var objects []*unstructured.Unstructured
	decoder := yaml.NewYAMLOrJSONDecoder(&text, 4096)
	for {
		object := &unstructured.Unstructured{}
		err := decoder.Decode(&object.Object)
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		if len(object.Object) > 0 {
			objects = append(objects, object)
		}
	}
}

// resource is where objects of this kind are found; guessing is right for the few kinds of our manifests.
func resource(client dynamic.Interface, object *unstructured.Unstructured) dynamic.ResourceInterface {
	plural, _ := meta.UnsafeGuessKindToResource(object.GroupVersionKind())
	if object.GetNamespace() == "" {
		return client.Resource(plural)
	}
	return client.Resource(plural).Namespace(object.GetNamespace())
}

func apply(ctx context.Context, client dynamic.Interface, object *unstructured.Unstructured) error {
	content, err := json.Marshal(object.Object)
	if err != nil {
		return err
	}
	force := true
	_, err = resource(client, object).Patch(ctx, object.GetName(), types.ApplyPatchType, content,
		metav1.PatchOptions{FieldManager: fieldManager, Force: &force})
	return err
}

func remove(ctx context.Context, client dynamic.Interface, object *unstructured.Unstructured) error {
	background := metav1.DeletePropagationBackground
	err := resource(client, object).Delete(ctx, object.GetName(), metav1.DeleteOptions{PropagationPolicy: &background})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// LabelNode gives this server's node the roles that a node may not give itself, once it is registered.
func (p *Plane) LabelNode(ctx context.Context) error {
	client, err := p.adminClient()
	if err != nil {
		return err
	}
	metadata := map[string]any{"labels": map[string]string{
		"node-role.kubernetes.io/control-plane": "true",
		"node-role.kubernetes.io/master":        "true",
	}}
	if p.config.Clustered() {
		metadata = p.memberMetadata()
	}
	patch, err := json.Marshal(map[string]any{"metadata": metadata})
	if err != nil {
		return err
	}
	for {
		_, err := client.CoreV1().Nodes().Patch(ctx, p.config.NodeName, types.StrategicMergePatchType, patch, metav1.PatchOptions{})
		if err == nil || !apierrors.IsNotFound(err) {
			return err
		}
		if err := sleep(ctx, readyPause); err != nil {
			return err
		}
	}
}
