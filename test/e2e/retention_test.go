package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	crclient "sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/test/cluster"
	"github.com/switchboard-operator/switchboard/test/fixture"
)

// aged is where a category's rows are and how long the suite's policy keeps them.
type aged struct {
	category v1alpha1.Category
	days     int
	marks    string // table WHERE age mark
}

var categories = []aged{
	{v1alpha1.CategoryMessages, 90, "message_body WHERE at"},
	{v1alpha1.CategoryMessageMetadata, 180, "message WHERE at"},
	{v1alpha1.CategoryContacts, 365, "contact WHERE last_seen_at"},
	{v1alpha1.CategoryAccessLogs, 30, "access_log WHERE at"},
}

// A row for every second from denseBefore ahead of a limit, as it will stand at the full minute in
// which the CronJob is due, to denseAfter behind it: whatever the moment of the run, the cutoff cuts
// between two of them.
const (
	denseBefore = 40 * time.Second
	denseAfter  = 25 * time.Second
)

var _ = Describe("Promise 5: what is past its limit is deleted, exactly, and proven", Label("retention"), Ordered, func() {
	var due time.Time // the full minute in which the CronJob runs
	var first v1alpha1.RetentionRun

	BeforeAll(func(ctx SpecContext) {
		due = time.Now().Truncate(time.Minute).Add(time.Minute)
		if time.Until(due) < 45*time.Second { // the history must be in before the run
			due = due.Add(time.Minute)
		}
		Expect(fixture.Import(ctx, c, boston.get(ctx), historyAround(due))).To(Succeed())
		boston.rows(ctx, fmt.Sprintf(`SELECT sb.ensure_partition(to_timestamp(%[1]d) - interval '30 days');
			INSERT INTO sb.access_log (at, method, route, status, ip)
			SELECT to_timestamp(%[1]d) - interval '30 days' + make_interval(secs => s), 'GET', '/api/v1/me', 200, '192.0.2.1'
			FROM generate_series(-%[2]d, %[3]d) s;
			SELECT sb.ensure_partition(to_timestamp(%[1]d) - make_interval(days => d)) FROM generate_series(31, 50) d;
			INSERT INTO sb.access_log (at, method, route, status, ip)
			SELECT to_timestamp(%[1]d) - make_interval(days => d), 'GET', '/api/v1/me', 200, '192.0.2.1' FROM generate_series(31, 50) d`,
			due.Unix(), int(denseBefore.Seconds()), int(denseAfter.Seconds())))
	}, NodeTimeout(2*time.Minute))

	It("hides what is past its limit at once, before any run", SpecTimeout(30*time.Second), func(ctx SpecContext) {
		for _, cat := range categories {
			expired := fmt.Sprintf("SELECT count(*) FROM sb.%s <= now() - interval '%d days'", cat.marks, cat.days)
			Expect(boston.count(ctx, expired)).To(BeNumerically(">=", 10), "control: they are there: %s", cat.category)
			n, err := c.Count(ctx, boston.namespace(), "SET ROLE sb_serve; "+expired)
			if cat.category == v1alpha1.CategoryAccessLogs { // serve writes it and never reads it
				Expect(err).To(MatchError(ContainSubstring("permission denied")))
				continue
			}
			Expect(err).NotTo(HaveOccurred())
			Expect(n).To(BeZero(), "readable by serve: %s", cat.category)
		}
	})

	It("the real CronJob deletes exactly that, to the row and to the second of the cutoff", SpecTimeout(4*time.Minute), func(ctx SpecContext) {
		before := map[v1alpha1.Category]map[string]int64{}
		for _, cat := range categories {
			before[cat.category] = ages(ctx, cat)
		}
		sequence := policyOf(ctx, boston).Status.Sequence
		Expect(time.Now()).To(BeTemporally("<", due), "the history took too long to import")
		Expect(c.ApplyYAML(ctx, boston.retention(fmt.Sprintf("%d * * * *", due.Minute())))).To(Succeed()) // not in the minute before
		first = nextRun(ctx, boston, sequence, 2*time.Minute)
		Expect(c.ApplyYAML(ctx, boston.retention("0 0 1 1 *"))).To(Succeed())

		told := []v1alpha1.Category{v1alpha1.CategoryAttachments} // bounded with the metadata of their messages; there are none
		for _, cat := range categories {
			told = append(told, cat.category)
		}
		Expect(first.Categories).To(WithTransform(func(runs []v1alpha1.CategoryRun) (names []v1alpha1.Category) {
			for _, r := range runs {
				names = append(names, r.Category)
			}
			return names
		}, ConsistOf(told)))
		for _, cat := range categories {
			run := runOf(first, cat.category)
			cutoff := run.Cutoff.UnixMicro()
			Expect(run.Cutoff.Time).To(BeTemporally("~", first.StartedAt.Add(-time.Duration(cat.days)*24*time.Hour), 10*time.Second),
				"the cutoff is the run's time less the limit")
			want, expired := map[string]int64{}, 0
			for id, at := range before[cat.category] {
				if at > cutoff {
					want[id] = at
				} else {
					expired++
				}
			}
			after := ages(ctx, cat)
			maps.DeleteFunc(after, func(id string, _ int64) bool { _, old := before[cat.category][id]; return !old })
			Expect(after).To(Equal(want), "%s: the rows left are not those after the cutoff %s", cat.category, run.Cutoff)
			Expect(run.Deleted).To(BeEquivalentTo(expired), "%s: rows deleted", cat.category)
			Expect(expired).To(BeNumerically(">=", 10), "%s: nothing was expired, so nothing is proven", cat.category)

			near := 0 // rows within 2 s of the cutoff: it cut in the middle of the dense ones
			for _, at := range want {
				if at-cutoff < 2_000_000 {
					near++
				}
			}
			Expect(near).To(BeNumerically(">=", 1), "%s: no row stands right after the cutoff: the run came too late for this test", cat.category)
			Expect(run.OldestLeft).NotTo(BeNil())
			Expect(run.OldestLeft.UnixMicro()).To(Equal(slices.Min(slices.Collect(maps.Values(want)))), "%s: oldest left", cat.category)
			Expect(run.Overdue).NotTo(BeNil())
			Expect(*run.Overdue).To(BeZero())
			Expect(run.HeldBack).To(BeZero())
		}
		By("a contact's addresses go with it, and its conversation forgets it")
		Expect(boston.count(ctx, `SELECT count(*) FROM sb.contact_address a WHERE NOT EXISTS (SELECT FROM sb.contact c WHERE c.id = a.contact_id)`)).To(BeZero())
	})

	It("status shows sequence, cutoffs, counts, oldest left, overdue 0 and digests", SpecTimeout(30*time.Second), func(ctx SpecContext) {
		policy := policyOf(ctx, boston)
		Expect(meta.IsStatusConditionTrue(policy.Status.Conditions, v1alpha1.ConditionEnforced)).To(BeTrue())
		Expect(first.Sequence).To(BeNumerically(">=", 1))
		Expect(first.Digest).To(MatchRegexp(`^[0-9a-f]{64}$`))
		Expect(first.PolicyDigest).To(Equal(policy.Status.PolicyDigest))
		Expect(boston.rows(ctx, fmt.Sprintf(`SELECT digest FROM sb.receipt WHERE sequence = %d`, first.Sequence))).To(Equal([]string{first.Digest}))
	})

	It("a second run finds what expired since, a third nothing, and says so", SpecTimeout(2*time.Minute), func(ctx SpecContext) {
		By("waiting until the last of the dense rows is past its limit")
		idle(ctx, time.Until(due.Add(denseAfter+time.Second)))
		left := 0
		for _, cat := range categories {
			for _, at := range ages(ctx, cat) {
				if at <= time.Now().Add(-time.Duration(cat.days)*24*time.Hour).UnixMicro() {
					left++
				}
			}
		}
		runRetention(ctx, boston, "second")
		second := nextRun(ctx, boston, first.Sequence, time.Minute)
		Expect(deleted(second)).To(BeEquivalentTo(left))
		Expect(second.PreviousDigest).To(Equal(first.Digest))

		runRetention(ctx, boston, "third")
		third := nextRun(ctx, boston, second.Sequence, time.Minute)
		Expect(deleted(third)).To(BeZero())
		Expect(third.PreviousDigest).To(Equal(second.Digest))
		status := policyOf(ctx, boston).Status
		Expect(status.LastRun.Deleted).To(BeZero())
		Expect(*status.LastRun.Overdue).To(BeZero())
		Expect(status.Sequence).To(Equal(third.Sequence))
	})

	It("the chain verifies against the head in status; a forged or shortened one doesn't", SpecTimeout(time.Minute), func(ctx SpecContext) {
		head := policyOf(ctx, boston).Status.Runs[0]
		anchor := fmt.Sprintf("%d:%s", head.Sequence, head.Digest)
		Expect(fixture.Verify(ctx, c, boston.get(ctx), "", "--anchor", anchor)).To(ContainSubstring("the chain is whole"))

		export, err := fixture.Verify(ctx, c, boston.get(ctx), "", "--export")
		Expect(err).NotTo(HaveOccurred())
		By("offline, from the file")
		Expect(fixture.Verify(ctx, c, boston.get(ctx), export, "--file", "-", "--anchor", anchor)).To(ContainSubstring("the chain is whole"))
		By("with the newest receipt cut off")
		lines := strings.SplitAfter(strings.TrimRight(export, "\n"), "\n")
		_, err = fixture.Verify(ctx, c, boston.get(ctx), strings.Join(lines[:len(lines)-1], ""), "--file", "-", "--anchor", anchor)
		Expect(err).To(HaveOccurred())
		By("with a count changed")
		forged := strings.Replace(export, `\"deleted\":0`, `\"deleted\":1`, 1)
		Expect(forged).NotTo(Equal(export))
		_, err = fixture.Verify(ctx, c, boston.get(ctx), forged, "--file", "-", "--anchor", anchor)
		Expect(err).To(HaveOccurred())
	})
})

// historyAround is JSON Lines for `instance import`: rows around each limit as it stands at due, some
// that are long past it and some that are not near.
func historyAround(due time.Time) string {
	var b strings.Builder
	encode := json.NewEncoder(&b)
	add := func(guest string, at time.Time) {
		Expect(encode.Encode(fixture.Imported{
			Channel: "front-desk", Address: guest, Name: "A Guest", Direction: "in", At: at.UTC(), Body: "Is there a lift?",
		})).To(Succeed())
	}
	day := 24 * time.Hour
	for at := -denseBefore; at <= denseAfter; at += time.Second {
		add("+447700900900", due.Add(-90*day+at))
		add("+447700900901", due.Add(-180*day+at))
		add("+1617555"+fmt.Sprintf("%04d", 1000+int(at/time.Second)), due.Add(-365*day+at))
	}
	for d := 370; d < 400; d += 2 { // guests who were last seen long ago
		add(fmt.Sprintf("+1617555%04d", 2000+d), due.Add(-time.Duration(d)*day))
	}
	for d := 1; d <= 60; d += 5 {
		add("+447700900902", due.Add(-time.Duration(d)*day))
	}
	for d := 95; d < 400; d += 20 {
		add("+447700900903", due.Add(-time.Duration(d)*day))
	}
	return b.String()
}

// ages reads id and age mark, in microseconds since 1970, of every row of a category, as superuser.
func ages(ctx context.Context, cat aged) map[string]int64 {
	GinkgoHelper()
	marks := map[string]int64{}
	table, mark, _ := strings.Cut(cat.marks, " WHERE ")
	for _, row := range boston.rows(ctx, fmt.Sprintf(`SELECT id, (extract(epoch FROM %s) * 1000000)::bigint FROM sb.%s`, mark, table)) {
		id, at, ok := strings.Cut(row, "|")
		Expect(ok).To(BeTrue(), row)
		n, err := strconv.ParseInt(at, 10, 64)
		Expect(err).NotTo(HaveOccurred())
		marks[id] = n
	}
	return marks
}

func policyOf(ctx context.Context, cl *client) *v1alpha1.RetentionPolicy {
	GinkgoHelper()
	p := &v1alpha1.RetentionPolicy{}
	Expect(c.Get(ctx, crclient.ObjectKey{Namespace: cl.namespace(), Name: cl.policy}, p)).To(Succeed())
	return p
}

// nextRun waits until status shows the run that follows a sequence, and gives it.
func nextRun(ctx context.Context, cl *client, after int64, limit time.Duration) v1alpha1.RetentionRun {
	GinkgoHelper()
	var run v1alpha1.RetentionRun
	Expect(cluster.Until(ctx, limit, "a run in status", func(ctx context.Context) error {
		p := &v1alpha1.RetentionPolicy{}
		if err := c.Get(ctx, crclient.ObjectKey{Namespace: cl.namespace(), Name: cl.policy}, p); err != nil {
			return err
		}
		for _, r := range p.Status.Runs {
			if r.Sequence == after+1 {
				run = r
				return nil
			}
		}
		return fmt.Errorf("status is at sequence %d, %v", p.Status.Sequence, p.Status.Conditions)
	})).To(Succeed())
	return run
}

func runOf(run v1alpha1.RetentionRun, category v1alpha1.Category) v1alpha1.CategoryRun {
	GinkgoHelper()
	for _, r := range run.Categories {
		if r.Category == category {
			return r
		}
	}
	Fail(fmt.Sprintf("the run says nothing of %s", category))
	return v1alpha1.CategoryRun{}
}

func deleted(run v1alpha1.RetentionRun) int64 {
	var n int64
	for _, r := range run.Categories {
		n += r.Deleted
	}
	return n
}
