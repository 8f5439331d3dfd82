package main

import (
	"bufio"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/test/cluster"
	"github.com/switchboard-operator/switchboard/test/fixture"
)

// The history that is shrunk: messages of 24 months.
const (
	historyMessages = 1_000_000
	historyDays     = 730
)

// keptDays are those of the 3 months that stay, back to the middle of one: how many rows are left to batches would else depend on
// the day on which this runs.
func keptDays() int {
	now := time.Now().UTC()
	return int(now.Sub(time.Date(now.Year(), now.Month()-3, 15, 0, 0, 0, 0, time.UTC)).Hours() / 24)
}

var (
	//go:embed retention.day.sql
	dayScript string
	//go:embed retention.copy.sql
	copyScript string
	//go:embed retention.delete.sql
	deleteScript string
)

// retention is what deleting takes: by real runs of the policy's CronJob, and by hand on copies of the same rows on
// the same server. Seconds, one for each round.
type retention struct {
	Messages int64        `json:"messages"`
	Daily    deletion     `json:"daily"`  // one day's rows of 24 months
	Shrink   deletion     `json:"shrink"` // 24 months to 3
	Inbound  inboundDelay `json:"inbound"`
	// What the rows that went had taken of the disk, and what the disk has back, in bytes.
	Freed     int64 `json:"freedBytes"`
	GivenBack int64 `json:"givenBackBytes"`
	// Memory is the largest resident set of any of the runs, in KiB.
	Memory int64 `json:"peakRSSKiB"`
}

type deletion struct {
	Retain []float64 `json:"retainSeconds"`
	Delete []float64 `json:"deleteSeconds"`
	Vacuum []float64 `json:"vacuumSeconds"`
}

// byHand is the median of DELETE and VACUUM together.
func (d deletion) byHand() float64 {
	sums := make([]float64, len(d.Delete))
	for i := range sums {
		sums[i] = d.Delete[i] + d.Vacuum[i]
	}
	return median(sums)
}

// measureRetention takes the figures of deletion: the daily run, then the shrink, each so many rounds; and at last a
// shrink while messages come in.
func (t *subject) measureRetention(ctx context.Context, rounds int, result *retention) error {
	if err := t.keep(ctx, historyDays); err != nil {
		return err
	}
	for round := range rounds {
		fmt.Printf("retention %d of %d: %d messages of %d days …\n", round+1, rounds, historyMessages, historyDays)
		if err := t.fillHistory(ctx); err != nil {
			return err
		}
		// The first run of rules that were changed writes a plan: the round before has changed them.
		if _, err := t.retain(ctx, fmt.Sprintf("first-%d", round)); err != nil {
			return err
		}
		if err := t.measureDaily(ctx, round, result); err != nil {
			return fmt.Errorf("the daily run: %w", err)
		}
		if err := t.measureShrink(ctx, round, result); err != nil {
			return fmt.Errorf("the shrink: %w", err)
		}
	}
	fmt.Println("a shrink while messages come in …")
	if err := t.fillHistory(ctx); err != nil {
		return err
	}
	if err := t.measureDelay(ctx, result); err != nil {
		return fmt.Errorf("the shrink while messages come in: %w", err)
	}
	messages, err := t.cluster.Count(ctx, namespace, "SELECT count(*) FROM sb.message")
	result.Messages = historyMessages
	if err == nil && messages > historyMessages {
		err = fmt.Errorf("%d messages are left of %d", messages, historyMessages)
	}
	return err
}

// fillHistory leaves nothing but a history of 24 months.
func (t *subject) fillHistory(ctx context.Context) error {
	if err := t.sql(ctx, "TRUNCATE sb.message, sb.message_body, sb.seen, sb.contact CASCADE", 0); err != nil {
		return err
	}
	return fixture.FillHistory(ctx, t.cluster, namespace, historyMessages, historyDays)
}

func (t *subject) measureDaily(ctx context.Context, round int, result *retention) error {
	if err := t.sql(ctx, dayScript+copyScript, historyDays); err != nil {
		return err
	}
	run, err := t.retain(ctx, fmt.Sprintf("daily-%d", round))
	if err != nil {
		return err
	}
	return t.beside(ctx, run, historyDays, historyMessages/historyDays, &result.Daily, result)
}

func (t *subject) measureShrink(ctx context.Context, round int, result *retention) (err error) {
	days := keptDays()
	if err := t.sql(ctx, copyScript, historyDays); err != nil {
		return err
	}
	size := func() int64 {
		n, sizeErr := t.cluster.Count(ctx, namespace, `SELECT sum(pg_total_relation_size(q.part)) FROM unnest(ARRAY['message', 'message_body', 'seen']) n, sb.retention_partitions(n) q`)
		err = errors.Join(err, sizeErr)
		return n
	}
	if err := t.keep(ctx, days); err != nil {
		return err
	}
	before := size()
	run, runErr := t.retain(ctx, fmt.Sprintf("shrink-%d", round))
	if runErr != nil {
		return runErr
	}
	after := size()
	if err != nil {
		return err
	}
	result.Freed += before * run.deleted / historyMessages
	result.GivenBack += before - after
	if err := t.beside(ctx, run, days, run.deleted, &result.Shrink, result); err != nil {
		return err
	}
	return t.keep(ctx, historyDays)
}

// measureDelay shrinks the history while messages come in.
func (t *subject) measureDelay(ctx context.Context, result *retention) error {
	if err := t.sql(ctx, "VACUUM ANALYZE; CHECKPOINT", 0); err != nil {
		return err
	}
	if err := t.keep(ctx, keptDays()); err != nil {
		return err
	}
	watch, err := t.watchInbound(ctx)
	if err != nil {
		return err
	}
	run, err := t.retain(ctx, "delay")
	if stopped := watch.stop(); err == nil {
		err = stopped
	}
	if err != nil {
		return err
	}
	watch.sort(run, &result.Inbound)
	result.Memory = max(result.Memory, run.memory)
	fmt.Printf("  %d messages: %.0f ms by retain; p99 of messages that came in %.1f ms, and %.1f ms before\n",
		run.deleted, run.elapsed.Seconds()*1000, result.Inbound.ShrinkP99, result.Inbound.IdleP99)
	return nil
}

// beside deletes the same rows by hand, and adds both times to d.
func (t *subject) beside(ctx context.Context, run retainRun, days int, least int64, d *deletion, result *retention) error {
	rows, err := t.cluster.PSQL(ctx, namespace, fill(deleteScript, days))
	if err != nil {
		return err
	}
	var deleted int64
	var deleting, vacuuming float64
	if _, err := fmt.Sscanf(strings.Join(rows, ""), "%d|%g|%g", &deleted, &deleting, &vacuuming); err != nil {
		return fmt.Errorf("reading what DELETE took of %q: %w", rows, err)
	}
	// The rows that expire between the two, and what came in meanwhile: a thousandth at most.
	if run.deleted < least || deleted < 3*run.deleted || deleted > 3*run.deleted+3*run.deleted/1000+30 {
		return fmt.Errorf("the run has deleted %d messages, at least %d were expected; DELETE by hand %d rows of three tables", run.deleted, least, deleted)
	}
	d.Retain, d.Delete, d.Vacuum = append(d.Retain, run.elapsed.Seconds()), append(d.Delete, deleting), append(d.Vacuum, vacuuming)
	result.Memory = max(result.Memory, run.memory)
	fmt.Printf("  %d messages: %.0f ms by retain; by hand %.0f ms, and VACUUM %.0f ms\n", run.deleted, run.elapsed.Seconds()*1000, deleting*1000, vacuuming*1000)
	return nil
}

// sql runs a script as the superuser.
func (t *subject) sql(ctx context.Context, script string, days int) error {
	_, err := t.cluster.PSQL(ctx, namespace, fill(script, days))
	return err
}

func fill(script string, days int) string {
	return strings.NewReplacer("{days}", strconv.Itoa(days), "{hours}", strconv.Itoa(days*24),
		"{rows}", strconv.Itoa(historyMessages/historyDays)).Replace(script)
}

// keep has the policy keep content and metadata for so many days, and waits until that is in force.
func (t *subject) keep(ctx context.Context, days int) error {
	err := t.cluster.ApplyYAML(ctx, fmt.Sprintf(`
apiVersion: messaging.switchboard.dev/v1alpha1
kind: RetentionPolicy
metadata: {name: guest-data, namespace: %s}
spec:
  schedule: "@yearly"
  guard: {maxPercent: 100}
  rules: [{category: Messages, retainDays: %[2]d}, {category: MessageMetadata, retainDays: %[2]d}]
`, namespace, days))
	if err != nil {
		return err
	}
	inForce := fmt.Sprintf("SELECT count(*) FROM sb.retention_limit WHERE policy = 'guest-data' AND retain_days = %d", days)
	err = cluster.Until(ctx, time.Minute, "the policy to be in force", func(ctx context.Context) error {
		if n, err := t.cluster.Count(ctx, namespace, inForce); err != nil || n != 2 {
			return fmt.Errorf("%d of 2 rules are, %w", n, err)
		}
		cron := &batchv1.CronJob{}
		if err := t.cluster.Get(ctx, client.ObjectKey{Namespace: namespace, Name: "retain-guest-data"}, cron); err != nil {
			return err
		}
		for _, env := range cron.Spec.JobTemplate.Spec.Template.Spec.Containers[0].Env {
			if strings.Contains(env.Value, fmt.Sprintf(`"retainDays":%d`, days)) {
				return nil
			}
		}
		return errors.New("the CronJob has not been told")
	})
	return err
}

// retainRun is what a run of the CronJob tells of itself.
type retainRun struct {
	began, ended time.Time
	elapsed      time.Duration
	memory       int64 // KiB
	deleted      int64 // messages
}

// retain runs the policy now, as the schedule would, and reads what the run logged.
func (t *subject) retain(ctx context.Context, suffix string) (retainRun, error) {
	job := "retain-guest-data-" + suffix
	if _, err := t.cluster.Run(ctx, nil, "-n", namespace, "create", "job", job, "--from=cronjob/retain-guest-data"); err != nil {
		return retainRun{}, err
	}
	err := cluster.Until(ctx, 3*time.Minute, "Job "+job, func(ctx context.Context) error {
		j := &batchv1.Job{}
		if err := t.cluster.Get(ctx, client.ObjectKey{Namespace: namespace, Name: job}, j); err != nil {
			return err
		}
		if j.Status.Succeeded == 0 {
			return fmt.Errorf("not succeeded yet, %d pods failed", j.Status.Failed)
		}
		return nil
	})
	if err != nil {
		return retainRun{}, err
	}
	log, err := t.cluster.Run(ctx, nil, "-n", namespace, "logs", "job/"+job)
	if err != nil {
		return retainRun{}, err
	}
	return readRun(log)
}

// readRun takes the figures from the lines that `instance retain` logs.
func readRun(log string) (run retainRun, err error) {
	for lines := bufio.NewScanner(strings.NewReader(log)); lines.Scan(); {
		var line struct {
			Time     time.Time
			Category string
			Deleted  int64
			Elapsed  float64 `json:"elapsed_ms"`
			Memory   int64   `json:"peak_rss_kib"`
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return run, fmt.Errorf("reading what the run logged: %w", err)
		}
		switch {
		case line.Elapsed > 0:
			run.elapsed = time.Duration(line.Elapsed * float64(time.Millisecond))
			run.began, run.ended = line.Time.Add(-run.elapsed), line.Time
		case line.Memory > 0:
			run.memory = line.Memory
		case line.Category == string(v1alpha1.CategoryMessages):
			run.deleted = line.Deleted
		}
	}
	if run.elapsed == 0 || run.memory == 0 {
		return run, fmt.Errorf("the run logged neither its time nor its memory: %s", log)
	}
	return run, nil
}
