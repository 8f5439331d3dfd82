package main

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

func provision(t *testing.T, root, node string) (*folders, *corev1.PersistentVolume, error) {
	t.Helper()
	client := fake.NewClientset(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "us-east-1", Labels: map[string]string{
		corev1.LabelTopologyRegion: "us-east", corev1.LabelTopologyZone: "us-east-a", corev1.LabelHostname: "us-east-1",
	}}})
	f := &folders{root: root, nodes: client.CoreV1().Nodes()}
	reclaim := corev1.PersistentVolumeReclaimDelete
	v, _, err := f.Provision(context.Background(), controller.ProvisionOptions{
		PVName: "pvc-1", SelectedNodeName: node,
		StorageClass: &storagev1.StorageClass{ReclaimPolicy: &reclaim},
		PVC: &corev1.PersistentVolumeClaim{Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
		}},
	})
	return f, v, err
}

func TestAVolumeIsAFolderBoundToItsRegionAndGoesWithAllThatIsInIt(t *testing.T) {
	root := t.TempDir()
	f, v, err := provision(t, root, "us-east-1")
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(root, "us-east-1", "pvc-1")
	info, err := os.Stat(folder)
	if err != nil || info.Mode().Perm() != 0o777 || v.Spec.Local.Path != folder {
		t.Fatalf("%v %v, volume at %s", info, err, v.Spec.Local.Path)
	}
	bound := map[string]string{}
	for _, e := range v.Spec.NodeAffinity.Required.NodeSelectorTerms[0].MatchExpressions {
		bound[e.Key] = e.Values[0]
	}
	if bound[corev1.LabelTopologyRegion] != "us-east" || bound[corev1.LabelHostname] != "us-east-1" {
		t.Errorf("the volume is bound to %v", bound)
	}
	if err := os.WriteFile(filepath.Join(folder, "row"), []byte("a guest's words"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := f.Delete(context.Background(), v); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(folder); !os.IsNotExist(err) {
		t.Errorf("the folder is still there (%v)", err)
	}
}

func TestWithoutANodeThereIsNoVolume(t *testing.T) {
	for _, node := range []string{"", "no-such-node"} {
		if _, _, err := provision(t, t.TempDir(), node); err == nil {
			t.Errorf("a volume was made on node %q", node)
		}
	}
}

func TestNothingOutsideTheRootIsErased(t *testing.T) {
	outside := t.TempDir()
	f := &folders{root: t.TempDir()}
	for _, path := range []string{outside, f.root, f.root + "/../" + filepath.Base(outside)} {
		v := &corev1.PersistentVolume{Spec: corev1.PersistentVolumeSpec{
			PersistentVolumeSource: corev1.PersistentVolumeSource{Local: &corev1.LocalVolumeSource{Path: path}}}}
		if err := f.Delete(context.Background(), v); err == nil {
			t.Errorf("%s was erased", path)
		}
	}
	if _, err := os.Stat(outside); err != nil {
		t.Error(err)
	}
}
