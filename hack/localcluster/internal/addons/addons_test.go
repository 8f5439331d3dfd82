package addons

import (
	"bytes"
	"errors"
	"io"
	"testing"

	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/switchboard-operator/switchboard/hack/localcluster/internal/layout"
)

func TestEachRegionHasAStorageClassThatStaysThere(t *testing.T) {
	content, err := render("storage.yaml", "dns:1")
	if err != nil {
		t.Fatal(err)
	}
	classes := map[string]storagev1.StorageClass{}
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(content), 4096)
	for {
		var class storagev1.StorageClass
		err := decoder.Decode(&class)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if class.Kind == "StorageClass" {
			classes[class.Name] = class
		}
	}
	for _, n := range layout.Nodes() {
		class, ok := classes["local-"+n.Region]
		if !ok {
			t.Fatalf("region %s has no storage class", n.Region)
		}
		if *class.VolumeBindingMode != storagev1.VolumeBindingWaitForFirstConsumer {
			t.Errorf("%s binds before a pod comes", class.Name)
		}
		terms := class.AllowedTopologies
		if len(terms) != 1 || len(terms[0].MatchLabelExpressions) != 1 || terms[0].MatchLabelExpressions[0].Values[0] != n.Region {
			t.Errorf("%s may leave its region: %v", class.Name, terms)
		}
	}
}

func TestManifestsAreKubernetesObjects(t *testing.T) {
	for _, name := range []string{"coredns.yaml", "storage.yaml"} {
		content, err := render(name, "dns:1")
		if err != nil {
			t.Fatal(err)
		}
		decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(content), 4096)
		for {
			var object metav1.PartialObjectMetadata
			err := decoder.Decode(&object)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil || object.Kind == "" || object.Name == "" {
				t.Fatalf("%s holds something else: %+v (%v)", name, object, err)
			}
		}
	}
}
