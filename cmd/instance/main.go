// Command instance is one tenant's messaging: its server, its connectors and its
// jobs are subcommands of it, so that all of them share one schema.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"syscall"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1 // the work failed; the reason is on stderr and in the log
	exitUsage  = 2 // the command line is wrong
)

// command is one subcommand.
type command struct {
	name  string
	short string // one line
	long  string // what it does, what it reads, an example
	// flags adds the command's flags and returns what runs it.
	flags func(*flag.FlagSet) func(context.Context, streams) error
}

// streams are what a command reads and writes.
type streams struct {
	args []string // what follows the flags
	in   io.Reader
	out  io.Writer
	err  io.Writer
	log  *slog.Logger
}

func commands() []command {
	return []command{serveCommand, connectCommand, migrateCommand, retainCommand, subjectCommand, replayCommand, countCommand, importCommand, verifyCommand, accessCommand, backupCommand, restoreCommand, exportCommand, adoptCommand, bucketCommand,
		databaseCommand, probeCommand, standbyCommand, cutoverCommand, reopenCommand, webhooksCommand, withdrawCommand, staffCommand}
}

// gcPercent is the collector's GOGC when the environment sets none: a tenant has many processes, most of them idle, and
// their memory counts for more than the collector's work.
const gcPercent = 30

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	code := execute(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// errUsage marks a mistake on the command line.
var errUsage = errors.New("wrong usage")

func execute(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) int {
	if len(args) == 0 {
		overview(errs)
		return exitUsage
	}
	switch args[0] {
	case "-h", "-help", "--help", "help":
		if len(args) > 1 {
			return execute(ctx, []string{args[1], "--help"}, in, out, errs)
		}
		overview(out)
		return exitOK
	}
	for _, c := range commands() {
		if c.name == args[0] {
			return c.execute(ctx, args[1:], in, out, errs)
		}
	}
	fmt.Fprintf(errs, "instance: there is no command %q\n\n", args[0])
	overview(errs)
	return exitUsage
}

func (c command) execute(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) int {
	set := flag.NewFlagSet(c.name, flag.ContinueOnError)
	set.SetOutput(io.Discard) // help and errors are printed below, each to its stream
	level := slog.LevelInfo
	set.TextVar(&level, "log-level", slog.LevelInfo, "least `level` to log: DEBUG, INFO, WARN or ERROR")
	run := c.flags(set)
	switch err := set.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		c.help(out, set)
		return exitOK
	case err != nil:
		fmt.Fprintf(errs, "instance %s: %v\nSee: instance %s --help\n", c.name, err, c.name)
		return exitUsage
	}
	// What a command prints for its caller must stay apart from the log.
	log := slog.New(slog.NewJSONHandler(out, &slog.HandlerOptions{Level: level}))
	if slices.Contains([]string{importCommand.name, verifyCommand.name, accessCommand.name, exportCommand.name, adoptCommand.name, staffCommand.name}, c.name) {
		log = slog.New(slog.NewJSONHandler(errs, &slog.HandlerOptions{Level: level}))
	}
	slog.SetDefault(log)
	err := run(ctx, streams{args: set.Args(), in: in, out: out, err: errs, log: log})
	switch {
	case errors.Is(err, errUsage):
		fmt.Fprintf(errs, "instance %s: %v\nSee: instance %s --help\n", c.name, err, c.name)
		return exitUsage
	case err != nil:
		fmt.Fprintf(errs, "instance %s: %v\n", c.name, err)
		return exitFailed
	}
	return exitOK
}

// noArguments refuses words that a command would otherwise ignore.
func noArguments(s streams) error {
	if len(s.args) > 0 {
		return fmt.Errorf("%w: unexpected argument %q", errUsage, s.args[0])
	}
	return nil
}

func overview(w io.Writer) {
	fmt.Fprint(w, `instance is the messaging of one tenant.

Usage: instance COMMAND [flags]

Commands:
`)
	for _, c := range commands() {
		fmt.Fprintf(w, "  %-9s %s\n", c.name, c.short)
	}
	fmt.Fprint(w, `
See what a command does, the environment it reads and an example:
  instance COMMAND --help

Exit codes: 0 done, 1 failed, 2 wrong usage.
`)
}

func (c command) help(w io.Writer, set *flag.FlagSet) {
	fmt.Fprintf(w, "instance %s: %s\n%s\nFlags:\n", c.name, c.short, c.long)
	set.SetOutput(w)
	set.PrintDefaults()
}
