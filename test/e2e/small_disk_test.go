package e2e

import (
	"context"
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	crclient "sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/test/cluster"
)

// A disk of its own for one database: a file system in memory, so that filling it fills nobody else's.
const (
	smallDisk      = "/run/switchboard-small-disk"
	smallDiskBytes = 256 << 20
	regionSmall    = "e2e-small-disk"
)

// onASmallDisk onboards a client whose database has a disk of its own, which goes with the spec.
func onASmallDisk(ctx context.Context) *client {
	GinkgoHelper()
	node := nodeOfTenant(ctx, berlin)
	cl := newClient("small", regionSmall, "+493023125190")
	DeferCleanup(func(ctx SpecContext) {
		inMountsOf(ctx, node, "rm -f "+smallDisk+"/ballast")
		_, err := c.Run(ctx, nil, "delete", "--ignore-not-found", "--wait=false", "tenants.messaging.switchboard.dev", cl.tenant)
		Expect(err).NotTo(HaveOccurred())
		removeReleased(ctx)
		erase(ctx, cl.tenant)
		inMountsOf(ctx, node, "! mountpoint -q "+smallDisk+" || umount "+smallDisk+"; rm -rf "+smallDisk)
		_, err = c.Run(ctx, nil, "delete", "--ignore-not-found", "regions.messaging.switchboard.dev,storageclasses", regionSmall)
		Expect(err).NotTo(HaveOccurred())
	}, NodeTimeout(4*time.Minute))
	inMountsOf(ctx, node, fmt.Sprintf("mkdir -p %[1]s && mount -t tmpfs -o size=%[2]d,mode=0777 tmpfs %[1]s", smallDisk, smallDiskBytes))
	region := strings.Split(regions(), "---")[0]
	region = strings.Replace(region, "name: "+regionEU, "name: "+regionSmall, 1)
	region = strings.Replace(region, "local-eu-central", regionSmall, 1)
	region = strings.Replace(region, "storage: 1Gi", "storage: 200Mi", 1)
	Expect(c.ApplyYAML(ctx, fmt.Sprintf(`
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: %[1]s}
provisioner: kubernetes.io/no-provisioner
reclaimPolicy: Delete
volumeBindingMode: WaitForFirstConsumer
allowedTopologies:
- matchLabelExpressions:
  - {key: topology.kubernetes.io/region, values: [eu-central]}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: %[1]s}
spec:
  capacity: {storage: 256Mi}
  accessModes: [ReadWriteOnce]
  persistentVolumeReclaimPolicy: Delete
  storageClassName: %[1]s
  local: {path: %[2]s}
  nodeAffinity:
    required:
      nodeSelectorTerms:
      - matchExpressions:
        - {key: topology.kubernetes.io/region, operator: In, values: [eu-central]}
        - {key: kubernetes.io/hostname, operator: In, values: [%[3]s]}
---%[4]s`, regionSmall, smallDisk, node, region))).To(Succeed())
	cl.apply(ctx)
	cl.awaitReady(ctx)
	Expect(standin.Route(ctx, cl.get(ctx), "front-desk")).To(Succeed())
	return cl
}

// removeReleased does what a provisioner would: nobody else removes the volume when its claim has gone.
func removeReleased(ctx context.Context) {
	GinkgoHelper()
	Expect(cluster.Until(ctx, 2*time.Minute, "the volume is released", func(ctx context.Context) error {
		volume := &corev1.PersistentVolume{}
		if err := c.Get(ctx, crclient.ObjectKey{Name: regionSmall}, volume); err != nil {
			return crclient.IgnoreNotFound(err)
		}
		if volume.Status.Phase == corev1.VolumeAvailable { // no claim ever had it
			return c.Delete(ctx, volume)
		}
		if volume.Status.Phase != corev1.VolumeReleased && volume.Status.Phase != corev1.VolumeFailed {
			return fmt.Errorf("it is %s", volume.Status.Phase)
		}
		return c.Delete(ctx, volume)
	})).To(Succeed())
}

// fill leaves no room on the database's disk.
func fill(ctx context.Context, cl *client) {
	GinkgoHelper()
	inMountsOf(ctx, nodeOfTenant(ctx, cl), "dd if=/dev/zero of="+smallDisk+"/ballast bs=64k 2>/dev/null; [ $(df --output=avail "+smallDisk+" | tail -1) = 0 ]")
}

// makeRoom takes away what fill wrote.
func makeRoom(ctx context.Context, cl *client) {
	GinkgoHelper()
	inMountsOf(ctx, nodeOfTenant(ctx, cl), "rm "+smallDisk+"/ballast")
}

// inMountsOf runs a script as root where a node's kubelet finds its volumes.
func inMountsOf(ctx context.Context, node, script string) {
	GinkgoHelper()
	_, err := c.OnNode(ctx, node, fmt.Sprintf(`for p in /proc/[0-9]*; do
[ "$(cat $p/comm 2>/dev/null)" = kubelet ] && tr '\0' ' ' <$p/cmdline | grep -q %s && pid=${p#/proc/}; done
nsenter -t $pid -m sh -c '%s'`, node, script))
	Expect(err).NotTo(HaveOccurred())
}
