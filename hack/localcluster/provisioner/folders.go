package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

// folders makes a folder for each volume and removes it, with all that is in it, when the volume goes.
type folders struct {
	root  string
	nodes typedcorev1.NodeInterface
}

// Provision makes the folder of a volume on the node that the scheduler chose.
func (f *folders) Provision(ctx context.Context, o controller.ProvisionOptions) (*corev1.PersistentVolume, controller.ProvisioningState, error) {
	if o.SelectedNodeName == "" {
		return nil, controller.ProvisioningFinished, errors.New("no node was selected: the storage class must bind when a pod comes (WaitForFirstConsumer)")
	}
	if o.PVC.Spec.VolumeMode != nil && *o.PVC.Spec.VolumeMode == corev1.PersistentVolumeBlock {
		return nil, controller.ProvisioningFinished, errors.New("this provisioner has folders, no block devices: ask for volumeMode Filesystem")
	}
	node, err := f.nodes.Get(ctx, o.SelectedNodeName, metav1.GetOptions{})
	if err != nil {
		return nil, controller.ProvisioningNoChange, fmt.Errorf("reading node %s: %w", o.SelectedNodeName, err)
	}
	folder := filepath.Join(f.root, node.Name, o.PVName)
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return nil, controller.ProvisioningNoChange, fmt.Errorf("making the folder of volume %s: %w", o.PVName, err)
	}
	// Any user may write, also without an fsGroup; the umask had its say in MkdirAll.
	if err := os.Chmod(folder, 0o777); err != nil {
		return nil, controller.ProvisioningNoChange, fmt.Errorf("opening the folder of volume %s: %w", o.PVName, err)
	}
	return volume(o, node, folder), controller.ProvisioningFinished, nil
}

// volume binds the folder to its node by region and by host, so that its place can be read off the volume itself.
func volume(o controller.ProvisionOptions, node *corev1.Node, folder string) *corev1.PersistentVolume {
	in := func(label string) corev1.NodeSelectorRequirement {
		return corev1.NodeSelectorRequirement{Key: label, Operator: corev1.NodeSelectorOpIn, Values: []string{node.Labels[label]}}
	}
	mode := corev1.PersistentVolumeFilesystem
	return &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{
			Name: o.PVName,
			Labels: map[string]string{
				corev1.LabelTopologyRegion: node.Labels[corev1.LabelTopologyRegion],
				corev1.LabelTopologyZone:   node.Labels[corev1.LabelTopologyZone],
			},
		},
		Spec: corev1.PersistentVolumeSpec{
			PersistentVolumeReclaimPolicy: *o.StorageClass.ReclaimPolicy,
			AccessModes:                   o.PVC.Spec.AccessModes,
			VolumeMode:                    &mode,
			Capacity:                      corev1.ResourceList{corev1.ResourceStorage: o.PVC.Spec.Resources.Requests[corev1.ResourceStorage]},
			PersistentVolumeSource:        corev1.PersistentVolumeSource{Local: &corev1.LocalVolumeSource{Path: folder}},
			NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
				MatchExpressions: []corev1.NodeSelectorRequirement{in(corev1.LabelTopologyRegion), in(corev1.LabelHostname)},
			}}}},
		},
	}
}

// Delete removes the folder of a volume.
func (f *folders) Delete(_ context.Context, v *corev1.PersistentVolume) error {
	if v.Spec.Local == nil {
		return &controller.IgnoredError{Reason: "the volume is not a folder of this provisioner"}
	}
	folder := filepath.Clean(v.Spec.Local.Path)
	if !strings.HasPrefix(folder, filepath.Clean(f.root)+"/") {
		return &controller.IgnoredError{Reason: fmt.Sprintf("%s lies outside %s", folder, f.root)}
	}
	if err := os.RemoveAll(folder); err != nil {
		return fmt.Errorf("erasing the folder of volume %s: %w", v.Name, err)
	}
	return nil
}
