// Command scale prints what Switchboard's operator takes with many tenants: a real control plane whose nodes and pods kwok
// plays, and the operator as a process of its own. It keeps the figures in test/scale/results.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	ctrl "sigs.k8s.io/controller-runtime"
)

func main() {
	ctrl.SetLogger(logr.Discard())
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	var err error
	if len(os.Args) == 3 && os.Args[1] == "cache" {
		err = bareCache(ctx, os.Args[2]) // of measureMemory
	} else {
		err = run(ctx)
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "scale:", err)
		os.Exit(1)
	}
}

// names of the figures, in the order in which they are measured.
var names = []string{"onboarding", "admission", "memory", "reaction", "idle", "change"}

func run(ctx context.Context) error {
	var s size
	flag.IntVar(&s.Tenants, "tenants", 1000, "how many tenants there are")
	flag.IntVar(&s.Channels, "channels", 3, "how many Channels each tenant has")
	flag.IntVar(&s.Policies, "policies", 2, "how many RetentionPolicies each tenant has")
	flag.IntVar(&s.Nodes, "nodes", 10, "how many nodes each of the two regions has")
	flag.IntVar(&s.Pods, "pods", 10_000, "how many pods there are at least, those of others included")
	flag.IntVar(&s.Reference, "reference", 50, "for how many tenants the objects are created without an operator, for comparison")
	flag.IntVar(&s.Failing, "failing", 50, "how many tenants fail while another is changed")
	flag.IntVar(&s.Relabels, "relabels", 1, "how often a node is relabelled and back, one after the other")
	flag.IntVar(&s.QPS, "qps", 50, "the operator's --kube-api-qps")
	flag.IntVar(&s.Burst, "burst", 100, "the operator's --kube-api-burst")
	flag.StringVar(&s.MemoryLimit, "memory-limit", "110MiB", "the operator's GOMEMLIMIT; near to it the collector takes the time of passes")
	long := flag.Duration("idle", 2*time.Minute, "how long writes are counted while nothing changes")
	only := flag.String("only", strings.Join(names, ","), "which figures are measured, beside the onboarding that all need; a run of fewer is not kept")
	bin := flag.String("bin", "", "the folder with etcd, kube-apiserver, kube-controller-manager, kube-scheduler and kubectl")
	kwok := flag.String("kwok", "", "the program kwok")
	root := flag.String("root", ".", "the repository's root")
	pprof := flag.String("pprof", "0", "the operator's --pprof-bind-address")
	keep := flag.Bool("keep", false, "leave the folder with the logs when the run has ended")
	flag.Parse()
	wanted := strings.Split(*only, ",")
	for _, figure := range wanted {
		if !slices.Contains(names, figure) {
			return fmt.Errorf("-only %s: there are %s", figure, strings.Join(names, ", "))
		}
	}
	if os.Geteuid() != 0 {
		return errors.New("this needs root: the operator gets an /etc/hosts of its own, and stand-ins answer on port 443")
	}
	folder, err := os.MkdirTemp("", "switchboard-scale-")
	if err != nil {
		return fmt.Errorf("making a folder for the run: %w", err)
	}
	programs, err := gather(*bin, *kwok, folder)
	if err != nil {
		return err
	}
	if *keep {
		fmt.Println("logs:", folder)
	} else {
		defer func() { _ = os.RemoveAll(folder) }()
	}
	r := newResult(ctx, *root, s)
	fmt.Printf("%s, commit %s\n", r.Machine, r.Commit)
	err = measure(ctx, &r, folder, programs, *root, wanted, *long, *pprof)
	fmt.Print(r.table()) // what was measured until something failed
	if err != nil {
		return err
	}
	if len(wanted) < len(names) {
		fmt.Println("\nNot everything was measured: the run is not kept.")
	} else if err := r.save(filepath.Join(*root, "test/scale/results")); err != nil {
		return err
	}
	return r.judge()
}

// gather puts links to all programs into one folder.
func gather(bin, kwok, folder string) (string, error) {
	into := filepath.Join(folder, "bin")
	if err := os.Mkdir(into, 0o700); err != nil {
		return "", fmt.Errorf("making the folder of the programs: %w", err)
	}
	programs := map[string]string{"kwok": kwok}
	for _, name := range []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl"} {
		programs[name] = filepath.Join(bin, name)
	}
	for name, path := range programs {
		absolute, err := filepath.Abs(path)
		if err == nil {
			_, err = os.Stat(absolute)
		}
		if err == nil {
			err = os.Symlink(absolute, filepath.Join(into, name))
		}
		if err != nil {
			return "", fmt.Errorf("finding %s (make bench-scale builds it): %w", name, err)
		}
	}
	return into, nil
}

// measure takes the figures that are wanted, in one world.
func measure(ctx context.Context, r *result, folder, programs, root string, wanted []string, long time.Duration, pprof string) (err error) {
	fmt.Println("building the operator and starting a control plane …")
	if err := buildOperator(ctx, root, filepath.Join(folder, "operator")); err != nil {
		return err
	}
	w, err := newWorld(ctx, root, folder, programs, r.Size)
	defer func() { err = errors.Join(err, w.close()) }()
	if err != nil {
		return err
	}
	w.pprof = pprof
	if err := w.startOperator(ctx); err != nil {
		return err
	}
	for _, f := range []struct {
		name string
		take func() error
	}{
		{"onboarding", func() (err error) { r.Onboarding, err = taken(w.onboard(ctx)); return err }},
		{"admission", func() (err error) { r.Admission, err = taken(w.measureAdmission(ctx)); return err }},
		{"memory", func() (err error) { r.Memory, err = taken(w.measureMemory(ctx)); return err }},
		{"reaction", func() (err error) { r.Reaction, err = taken(w.measureReaction(ctx)); return err }},
		{"idle", func() (err error) { r.Idle, err = taken(w.measureIdle(ctx, long)); return err }},
		{"change", func() (err error) { r.Change, err = taken(w.measureChange(ctx)); return err }},
	} {
		if f.name != "onboarding" && !slices.Contains(wanted, f.name) {
			continue
		}
		start := time.Now()
		fmt.Printf("%s …\n", f.name)
		if err := f.take(); err != nil {
			return fmt.Errorf("measuring %s: %w", f.name, err)
		}
		fmt.Printf("  taken in %.0f s\n", time.Since(start).Seconds())
	}
	return nil
}

// taken gives a figure that was measured to its end, and none otherwise.
func taken[T any](v T, err error) (*T, error) {
	if err != nil {
		return nil, err
	}
	return &v, nil
}

// close ends all that was started.
func (w *world) close() error {
	if w.op != nil {
		w.op.stop()
	}
	if w.plane == nil {
		return nil
	}
	return w.plane.stop()
}
