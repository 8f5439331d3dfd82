package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/discovery"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/name"
)

// verbs that the API server knows of resources, and of some of them alone.
var verbs = []string{"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "bind", "escalate", "impersonate", "approve", "sign", "breakglass"}

// who asks the API server's authorizer.
type who struct {
	user   string
	groups []string
}

var operatorService = who{"system:serviceaccount:switchboard-system:switchboard-operator", []string{"system:serviceaccounts", "system:serviceaccounts:switchboard-system", "system:authenticated"}}

// may lists, as "verb resource", all that somebody may in a namespace, with "" of the whole cluster, asking for every resource that
// the API server serves.
func may(t *testing.T, c client.Client, all []string, w who, namespace string) []string {
	t.Helper()
	var allowed []string
	for _, resource := range all {
		group, rest, _ := strings.Cut(resource, "/")
		kind, sub, _ := strings.Cut(rest, "/")
		for _, verb := range verbs {
			review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{User: w.user, Groups: w.groups,
				ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: namespace, Verb: verb, Group: group, Resource: kind, Subresource: sub}}}
			if err := c.Create(t.Context(), review); err != nil {
				t.Fatal(err)
			}
			if review.Status.Allowed {
				allowed = append(allowed, verb+" "+strings.TrimPrefix(resource, "/"))
			}
		}
	}
	return allowed
}

// servedResources are all resources and subresources of the API server, as group/resource.
func servedResources(t *testing.T, c testCluster) []string {
	t.Helper()
	d, err := discovery.NewDiscoveryClientForConfig(c.config)
	if err != nil {
		t.Fatal(err)
	}
	_, lists, err := d.ServerGroupsAndResources()
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, list := range lists {
		if strings.HasPrefix(list.GroupVersion, "messaging.") { // known to the authorizer alone
			all = append(all, "messaging.switchboard.dev/tenants/finalizers", "messaging.switchboard.dev/channels/finalizers", "messaging.switchboard.dev/retentionpolicies/finalizers",
				"messaging.switchboard.dev/datasubjectrequests/finalizers", "messaging.switchboard.dev/legalholds/finalizers", "messaging.switchboard.dev/regions/finalizers")
		}
		group, _, found := strings.Cut(list.GroupVersion, "/")
		if !found {
			group = "" // the core's is a version alone
		}
		for _, r := range list.APIResources {
			all = append(all, group+"/"+r.Name)
		}
	}
	slices.Sort(all)
	if all = slices.Compact(all); len(all) < 80 || !slices.Contains(all, "/secrets") || !slices.Contains(all, "messaging.switchboard.dev/tenants/status") {
		t.Fatalf("the API server serves %d resources: %v", len(all), all)
	}
	return all
}

// TestRightsOnTheAPIServer asks the API server's own authorizer, for every resource that it serves and every verb.
func TestRightsOnTheAPIServer(t *testing.T) {
	config := startServer(t)
	config.QPS = -1 // thousands of questions
	scheme, err := newScheme()
	if err != nil {
		t.Fatal(err)
	}
	for _, add := range []func(*runtime.Scheme) error{authorizationv1.AddToScheme, admissionv1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	admin, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	c := testCluster{Client: admin, config: config}
	const theirs, other = "tenant-bound", "tenant-other"
	for _, n := range []string{name.OperatorNamespace, other} {
		create(t, c, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: n}})
	}
	create(t, c, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: theirs, Labels: map[string]string{v1alpha1.LabelTenant: "bound"}}})
	installRBAC(t, c)
	policies(t, c)
	all := servedResources(t, c)
	bound := func(role, namespace string) who {
		w := who{user: role + "@example.org", groups: []string{"people"}}
		meta := metav1.ObjectMeta{Name: role, Namespace: namespace}
		ref := rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role}
		subjects := []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: w.user}}
		if namespace == "" {
			create(t, c, &rbacv1.ClusterRoleBinding{ObjectMeta: meta, RoleRef: ref, Subjects: subjects})
		} else {
			create(t, c, &rbacv1.RoleBinding{ObjectMeta: meta, RoleRef: ref, Subjects: subjects})
		}
		return w
	}
	reads := func(resources ...string) (rights []string) {
		for _, r := range resources {
			for _, verb := range []string{"get", "list", "watch"} {
				rights = append(rights, verb+" messaging.switchboard.dev/"+r)
			}
		}
		return rights
	}
	writes := func(resources ...string) (rights []string) {
		for _, r := range resources {
			for _, verb := range []string{"create", "update", "patch", "delete"} {
				rights = append(rights, verb+" messaging.switchboard.dev/"+r)
			}
		}
		return rights
	}
	holds := func(w who, namespace string, want ...string) {
		t.Helper()
		got := may(t, c, all, w, namespace)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("in namespace %q, %s may\n%s\nwant\n%s", namespace, w.user, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}

	auditor := bound("switchboard-auditor", "")
	everyKind := []string{"channels", "datasubjectrequests", "erasurecertificates", "legalholds", "regions", "residencyboundaries", "retentionpolicies", "tenants"}
	for _, namespace := range []string{"", theirs, name.OperatorNamespace} {
		holds(auditor, namespace, reads(everyKind...)...)
	}
	if err := as(t, config, admin, auditor.user, auditor.groups...).List(t.Context(), &corev1.SecretList{}); !apierrors.IsForbidden(err) {
		t.Errorf("an auditor lists Secrets: %v", err)
	}
	reader := bound("switchboard-ledger-reader", name.OperatorNamespace)
	holds(reader, name.OperatorNamespace, "get configmaps", "list configmaps")
	holds(reader, theirs)
	namespaced := []string{"channels", "datasubjectrequests", "legalholds", "retentionpolicies"}
	for role, kinds := range map[string][]string{"switchboard-tenant-editor": {"channels", "retentionpolicies"}, "switchboard-privacy-officer": {"datasubjectrequests", "legalholds"}} {
		w := bound(role, theirs)
		holds(w, theirs, append(append(reads(namespaced...), writes(kinds...)...), "create secrets")...)
		holds(w, other)
		holds(w, "")
	}

	t.Run("the operator", func(t *testing.T) { operatorRights(t, c, all) })
}

// operatorRights: what it may write, it may in tenants' namespaces alone, and Secrets it reads nowhere else but in its own.
func operatorRights(t *testing.T, c testCluster, all []string) {
	const theirs = "tenant-bound"
	secretsOf := func(namespace string) (rights []string) {
		for _, right := range may(t, c, []string{"/secrets"}, operatorService, namespace) {
			verb, _, _ := strings.Cut(right, " ")
			rights = append(rights, verb)
		}
		return rights
	}
	if got := secretsOf(""); len(got) > 0 {
		t.Errorf("in the whole cluster, the operator may %v Secrets", got)
	}
	if got := secretsOf(theirs); len(got) > 0 {
		t.Errorf("in a namespace where it has not bound itself, it may %v Secrets", got)
	}
	if got := secretsOf(name.OperatorNamespace); !slices.Equal(got, []string{"get", "create", "patch", "delete"}) {
		t.Errorf("in its own namespace, it may %v Secrets", got)
	}
	// Beyond reading, this is all that it may in the whole cluster.
	var wrote []string
	for _, right := range may(t, c, all, operatorService, "") {
		verb, resource, _ := strings.Cut(right, " ")
		if slices.Contains([]string{"get", "list", "watch"}, verb) || strings.HasPrefix(resource, "authorization.k8s.io/self") || strings.HasPrefix(resource, "authentication.k8s.io/self") {
			continue
		}
		wrote = append(wrote, right)
	}
	slices.Sort(wrote)
	want := []string{
		"create erasurecertificates", "create namespaces", "create rolebindings", "create events", "delete namespaces", "patch events", "patch namespaces", "patch rolebindings",
		"patch channels", "patch channels/status", "patch datasubjectrequests/status", "patch legalholds/status", "patch regions/status", "patch retentionpolicies/status", "patch tenants", "patch tenants/status",
		"update channels/finalizers", "update datasubjectrequests/finalizers", "update retentionpolicies/finalizers", "update tenants/finalizers",
	}
	for i := range wrote {
		verb, resource, _ := strings.Cut(wrote[i], " ")
		for _, group := range []string{"messaging.switchboard.dev/", "rbac.authorization.k8s.io/", "events.k8s.io/"} {
			resource = strings.TrimPrefix(resource, group)
		}
		wrote[i] = verb + " " + resource
	}
	slices.Sort(wrote)
	slices.Sort(want)
	if !slices.Equal(wrote, want) {
		t.Errorf("in the whole cluster, the operator may\n%s\nwant\n%s", strings.Join(wrote, "\n"), strings.Join(want, "\n"))
	}
	operator := as(t, c.config, c.Client, operatorService.user, operatorService.groups...)
	binding := func(role, namespace string) *rbacv1.RoleBinding {
		return &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{GenerateName: "more-", Namespace: namespace}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: name.OperatorNamespace, Name: "switchboard-operator"}},
		}
	}
	// Kubernetes' own admin and edit have no rules here, where nobody aggregates them.
	for _, role := range []string{"cluster-admin", "switchboard-break-glass", "switchboard-privacy-officer"} {
		if err := operator.Create(t.Context(), binding(role, theirs)); !apierrors.IsForbidden(err) {
			t.Errorf("the operator binds itself to %s: %v", role, err)
		}
	}
	// What RBAC can't say, admission does. A new policy takes a moment to count.
	eventually(t, "a binding in a namespace that is no tenant's is refused", func(ctx context.Context) error {
		switch err := operator.Create(ctx, binding(name.Manager, "kube-system")); {
		case apierrors.IsForbidden(err) && strings.Contains(err.Error(), "tenants' namespaces alone"):
			return nil
		default:
			return fmt.Errorf("got %w", err)
		}
	})
	for _, namespace := range []string{"kube-system", "tenant-other"} {
		ns := &corev1.Namespace{}
		if err := c.Get(t.Context(), client.ObjectKey{Name: namespace}, ns); err != nil {
			t.Fatal(err)
		}
		before := ns.DeepCopy()
		ns.Labels[v1alpha1.LabelTenant] = "bound"
		if err := operator.Patch(t.Context(), ns, client.MergeFrom(before)); !apierrors.IsForbidden(err) {
			t.Errorf("the operator makes %s a tenant's: %v", namespace, err)
		}
		if err := operator.Delete(t.Context(), before); !apierrors.IsForbidden(err) {
			t.Errorf("the operator deletes %s: %v", namespace, err)
		}
	}
	if err := operator.Create(t.Context(), binding(name.Manager, theirs)); err != nil {
		t.Fatal("control:", err)
	}
	eventually(t, "a binding counts", func(context.Context) error { // which takes a moment too
		if got := secretsOf(theirs); !slices.Equal(got, []string{"get", "list", "create", "patch", "delete"}) {
			return fmt.Errorf("where it has bound itself, it may %v Secrets", got)
		}
		return nil
	})
}
