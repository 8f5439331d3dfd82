package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/switchboard-operator/switchboard/internal/audit"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/evidence"
)

func printReport(out io.Writer, r audit.Report, o auditOptions) error {
	if o.output == "json" {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	w := bufio.NewWriter(out)
	fmt.Fprintf(w, "tenant    %s\n", r.Tenant)
	fmt.Fprintf(w, "ledger    %d statements%s\n", r.Statements, newest(r.Countersigned))
	for _, id := range r.Keys {
		fmt.Fprintf(w, "key       %s\n", id)
	}
	fmt.Fprintf(w, "receipts  %d%s\n", r.Receipts, newest(r.Head))
	problems := printFindings(w, r.Findings)
	switch {
	case problems == 1:
		fmt.Fprintln(w, "The evidence is not whole: there is a problem.")
	case problems > 1:
		fmt.Fprintf(w, "The evidence is not whole: there are %d problems.\n", problems)
	case r.Receipts == 0 && r.Statements == 0:
		fmt.Fprintln(w, "There is no evidence yet, and nothing that says that there should be.")
	case r.Receipts == 0:
		fmt.Fprintln(w, "The ledger is whole.")
	default:
		fmt.Fprintln(w, "The evidence is whole.")
	}
	if o.export != "" {
		fmt.Fprintf(w, "To check it elsewhere:\n  %s\n", elsewhere(r, o.export))
	}
	return w.Flush()
}

// printFindings gives a line to each, and counts those that are wrong.
func printFindings(w io.Writer, findings []evidence.Finding) (problems int) {
	for _, f := range findings {
		weight := "note"
		if f.Problem {
			weight = "PROBLEM"
			problems++
		}
		fmt.Fprintf(w, "%-8s  %s: %s\n", weight, f.Code, f.Sentence)
	}
	return problems
}

func newest(link *contract.ChainLink) string {
	if link == nil {
		return ""
	}
	return fmt.Sprintf(", the newest is %d:%s", link.Sequence, link.Digest)
}

// elsewhere is the command that checks an export.
func elsewhere(r audit.Report, folder string) string {
	words := []string{"kubectl switchboard audit verify", r.Tenant, "--ledger", folder + "/" + fileLedger, "--keys", folder + "/" + fileKeys}
	if r.Receipts > 0 {
		words = append(words, "--receipts", folder+"/"+fileReceipts)
	}
	return strings.Join(words, " ")
}
