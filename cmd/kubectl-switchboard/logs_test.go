package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
)

func TestLogsAreFoundInTheCluster(t *testing.T) {
	c := startCluster(t)
	plugin(t, "", "logs").says(t, exitUsage, "name a tenant")
	plugin(t, "", "logs", "a", "--since", "-1h").says(t, exitUsage, "how long ago")
	plugin(t, "", "logs", "hotel-boston").says(t, exitFailed, "no Tenant hotel-boston in this cluster", "--context")
	tenant := &v1alpha1.Tenant{ObjectMeta: metav1.ObjectMeta{Name: "hotel-berlin"}, Spec: v1alpha1.TenantSpec{Region: "eu-central", Hostname: "a.example"}}
	create(t, c, tenant)
	create(t, c, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "tenant-hotel-berlin"}})
	plugin(t, "", "logs", "hotel-berlin").says(t, exitFailed, "no pods in namespace tenant-hotel-berlin", "kubectl switchboard status hotel-berlin")
	for name, labels := range map[string]map[string]string{
		"serve-1": {"app.kubernetes.io/component": "serve"}, "postgres-0": {"app.kubernetes.io/component": "database"},
		"connector-front-desk-1": {"app.kubernetes.io/component": "connector", v1alpha1.LabelChannel: "front-desk"},
		"connector-spa-1":        {"app.kubernetes.io/component": "connector", v1alpha1.LabelChannel: "spa"},
		"someone-else":           nil,
	} {
		create(t, c, &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "tenant-hotel-berlin", Labels: labels},
			Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "i"}}},
		})
	}
	for only, want := range map[string]string{
		"":      "connector-front-desk/connector-front-desk-1 connector-spa/connector-spa-1 database/postgres-0 other/someone-else serve/serve-1",
		"serve": "serve/serve-1", "spa": "connector-spa/connector-spa-1", "connector-spa": "connector-spa/connector-spa-1",
		"connector": "connector-front-desk/connector-front-desk-1 connector-spa/connector-spa-1", "postgres-0": "database/postgres-0",
	} {
		found, err := podsOf(t.Context(), c, "hotel-berlin", only)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, l := range found {
			names = append(names, l.title+"/"+l.pod)
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%q gives %s, want %s", only, got, want)
		}
	}
	plugin(t, "", "logs", "hotel-berlin", "bar").says(t, exitFailed, `no pod of "bar"`, "connector-front-desk, connector-spa, database, other, serve")

	tenant.Status.Conditions = conditions("Accepted False RegionNotServed this operator serves other regions")
	if err := c.Status().Update(t.Context(), tenant); err != nil {
		t.Fatal(err)
	}
	plugin(t, "", "logs", "hotel-berlin").says(t, exitFailed, "of region eu-central, which this cluster does not serve", "--context")
}

// TestLogsAreAskedForAsKubectlDoes plays the API server.
func TestLogsAreAskedForAsKubectlDoes(t *testing.T) {
	asked := make(chan string, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.URL.String()
		fmt.Fprint(w, "one\ntwo")
	}))
	defer server.Close()
	open, err := podLogs(&rest.Config{Host: server.URL}, logsOptions{follow: true, since: 90 * time.Second, tail: 7})
	if err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	if err := showLogs(t.Context(), []logSource{{"serve", "tenant-a", "serve-1", "serve"}}, open, true, &out, &errs); err != nil {
		t.Fatal(err)
	}
	if got, want := <-asked, "/api/v1/namespaces/tenant-a/pods/serve-1/log?container=serve&follow=true&sinceSeconds=90&tailLines=7"; got != want {
		t.Errorf("asked for %s, want %s", got, want)
	}
	if out.String() != "serve/serve-1 | one\nserve/serve-1 | two\n" || errs.Len() > 0 {
		t.Errorf("%s%s", &out, &errs)
	}
}

func TestALogThatCannotBeReadKeepsNoOther(t *testing.T) {
	open := func(_ context.Context, l logSource) (io.ReadCloser, error) {
		if l.pod == "b" {
			return nil, errors.New("container is waiting to start")
		}
		return io.NopCloser(strings.NewReader(strings.Repeat(l.pod+"\n", 3))), nil
	}
	pods := []logSource{{title: "x", pod: "a"}, {title: "x", pod: "b"}, {title: "y", pod: "c"}}
	for _, follow := range []bool{false, true} {
		var out, errs bytes.Buffer
		if err := showLogs(t.Context(), pods, open, follow, &out, &errs); err != nil {
			t.Error(err)
		}
		if strings.Count(out.String(), "x/a | a\n") != 3 || strings.Count(out.String(), "y/c | c\n") != 3 || !strings.Contains(errs.String(), "x/b: container is waiting") {
			t.Errorf("follow %t: %s%s", follow, &out, &errs)
		}
		if err := showLogs(t.Context(), pods[1:2], open, follow, &out, &errs); err == nil {
			t.Error("nothing could be read, and it says so by no error")
		}
	}
}
