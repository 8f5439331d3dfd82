package main

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

// provisioner is the name by which the StorageClasses know the one below.
const provisioner = "scale.switchboard.dev/nothing"

// storage makes a StorageClass for each region and, until ctx ends, a volume of it for every claim, as a provisioner would.
func storage(ctx context.Context, c kubernetes.Interface) error {
	now := storagev1.VolumeBindingImmediate
	for _, region := range regions {
		class := &storagev1.StorageClass{
			ObjectMeta: metav1.ObjectMeta{Name: "local-" + region}, Provisioner: provisioner, VolumeBindingMode: &now,
			AllowedTopologies: []corev1.TopologySelectorTerm{{MatchLabelExpressions: []corev1.TopologySelectorLabelRequirement{{
				Key: corev1.LabelTopologyRegion, Values: []string{region},
			}}}},
		}
		if _, err := c.StorageV1().StorageClasses().Create(ctx, class, metav1.CreateOptions{}); err != nil {
			return fmt.Errorf("making StorageClass %s: %w", class.Name, err)
		}
	}
	informer := informers.NewSharedInformerFactory(c, 0).Core().V1().PersistentVolumeClaims().Informer()
	wanted := make(chan *corev1.PersistentVolumeClaim, 20_000)
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{AddFunc: func(o any) {
		if claim, ok := o.(*corev1.PersistentVolumeClaim); ok && claim.Spec.VolumeName == "" {
			wanted <- claim
		}
	}})
	if err != nil {
		return fmt.Errorf("watching claims: %w", err)
	}
	go informer.RunWithContext(ctx)
	for range 4 {
		go func() {
			for {
				select {
				case claim := <-wanted:
					if err := provision(ctx, c, claim); err != nil && ctx.Err() == nil {
						fmt.Println("making a volume:", err)
					}
				case <-ctx.Done():
					return
				}
			}
		}()
	}
	return nil
}

func provision(ctx context.Context, c kubernetes.Interface, claim *corev1.PersistentVolumeClaim) error {
	volume := &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{
			Name: "pvc-" + string(claim.UID), Annotations: map[string]string{"pv.kubernetes.io/provisioned-by": provisioner},
		},
		Spec: corev1.PersistentVolumeSpec{
			Capacity: claim.Spec.Resources.Requests, AccessModes: claim.Spec.AccessModes, StorageClassName: *claim.Spec.StorageClassName,
			PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimRetain,
			ClaimRef: &corev1.ObjectReference{
				APIVersion: "v1", Kind: "PersistentVolumeClaim", Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID, ResourceVersion: claim.ResourceVersion,
			},
			PersistentVolumeSource: corev1.PersistentVolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/nowhere"}},
			NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
				MatchExpressions: []corev1.NodeSelectorRequirement{{
					Key: corev1.LabelTopologyRegion, Operator: corev1.NodeSelectorOpIn, Values: []string{(*claim.Spec.StorageClassName)[len("local-"):]},
				}},
			}}}},
		},
	}
	_, err := c.CoreV1().PersistentVolumes().Create(ctx, volume, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}
