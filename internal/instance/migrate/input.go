package migrate

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/mail"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/addresshash"
)

// Other directories than the contract's, for tests and for running outside of a pod.
const (
	EnvRolesDir = "SWITCHBOARD_ROLES_DIR"
	EnvStaffDir = "SWITCHBOARD_STAFF_DIR"
	EnvHoldsDir = "SWITCHBOARD_HOLDS_DIR"
)

// Input is what a migration brings about.
type Input struct {
	Setup  contract.Setup
	Lacks  []string // parts of what is asked for that this release does not know, and leaves out
	Logins []Login
	Staff  *Staff // the first account, nil when none is mounted
	// Aliases are the addresses of the persons of holds, by the hold's name. A hold of a
	// person that has none here keeps those that it was put in force with.
	Aliases map[string]Aliases
	// Unreadable says which holds' persons could not be read, and why, without naming them.
	Unreadable []error
	// Claim marks a server that is not the operator's own: contract.EnvDatabaseClaim. Empty for one that is.
	Claim string
}

// Login is a role that may log in, and its password.
type Login struct {
	Role, Password string
}

// Staff is the first staff account.
type Staff struct {
	Email, Password string
}

var channelName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)

// identifierLimit is the most bytes that PostgreSQL keeps of a name.
const identifierLimit = 63

// ReadInput reads what the operator mounted: contract.EnvSetup, contract.DirRoles
// and contract.DirStaff.
func ReadInput() (Input, error) {
	var in Input
	setup := os.Getenv(contract.EnvSetup)
	if setup == "" {
		return in, fmt.Errorf(`%s is not set; set it to a JSON document such as {"channels":[{"name":"front-desk","type":"TwilioSMS"}],"retention":[]}`, contract.EnvSetup)
	}
	var err error
	if in.Setup, in.Lacks, err = readSetup(setup, os.Getenv(contract.EnvMayLack)); err != nil {
		return in, fmt.Errorf("reading %s: %w", contract.EnvSetup, err)
	}
	in.Claim = os.Getenv(contract.EnvDatabaseClaim)
	if in.Logins, err = readLogins(cmp.Or(os.Getenv(EnvRolesDir), contract.DirRoles)); err != nil {
		return in, err
	}
	if in.Staff, err = readStaff(cmp.Or(os.Getenv(EnvStaffDir), contract.DirStaff)); err != nil {
		return in, err
	}
	if in.Aliases, in.Unreadable, err = readAliases(in.Setup.Holds, cmp.Or(os.Getenv(EnvHoldsDir), contract.DirHolds), addresshash.Dir()); err != nil {
		return in, err
	}
	return in, in.validate()
}

// readSetup reads what is asked for, and nothing that this release does not know: what it would pass over might be what keeps
// something from deletion. Only what the operator says may be lacked is left out, and told.
func readSetup(document, mayLack string) (setup contract.Setup, lacks []string, err error) {
	if mayLack != "" {
		lacks = contract.Lacked(strings.Split(mayLack, ","))
	}
	if len(lacks) > 0 {
		var fields map[string]json.RawMessage
		if err := json.Unmarshal([]byte(document), &fields); err != nil {
			return setup, nil, err
		}
		maps.DeleteFunc(fields, func(field string, _ json.RawMessage) bool { return slices.Contains(lacks, field) })
		b, err := json.Marshal(fields)
		if err != nil {
			return setup, nil, err
		}
		document = string(b)
	}
	d := json.NewDecoder(strings.NewReader(document))
	d.DisallowUnknownFields()
	err = d.Decode(&setup)
	return setup, lacks, err
}

func readLogins(dir string) ([]Login, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("reading the login roles: %w; mount a directory for each role with a file password in it", err)
	}
	var logins []Login
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") { // the kubelet's ..data
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, e.Name(), contract.FilePassword))
		if err != nil {
			return nil, fmt.Errorf("reading the password of login role %s: %w", e.Name(), err)
		}
		logins = append(logins, Login{Role: e.Name(), Password: strings.TrimRight(string(b), "\r\n")})
	}
	return logins, nil
}

func readStaff(dir string) (*Staff, error) {
	email, err := os.ReadFile(filepath.Join(dir, contract.FileEmail))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the first staff account: %w", err)
	}
	word, err := os.ReadFile(filepath.Join(dir, contract.FilePassword))
	if err != nil {
		return nil, fmt.Errorf("reading the first staff account: %w", err)
	}
	return &Staff{
		Email:    strings.ToLower(strings.TrimSpace(string(email))),
		Password: strings.TrimRight(string(word), "\r\n"),
	}, nil
}

// groups lists the components' group roles, by name.
func (in Input) groups() []string {
	groups := []string{
		contract.GroupRole(contract.ComponentServe), contract.GroupRole(contract.ComponentRetain), contract.GroupRole(contract.ComponentSubject),
		contract.GroupRole(contract.ComponentReplay), contract.GroupRole(contract.ComponentBackup),
		contract.GroupRole(contract.ComponentExport), contract.GroupRole(contract.ComponentAdopt),
		contract.GroupRole(contract.ComponentWebhooks),
	}
	for _, c := range in.Setup.Channels {
		groups = append(groups, contract.GroupRole(contract.ComponentConnector(c.Name)))
	}
	return groups
}

func (in Input) validate() error {
	seen := map[string]bool{}
	for _, c := range in.Setup.Channels {
		switch longest := contract.LoginRole(contract.ComponentConnector(c.Name), 9999); {
		case !channelName.MatchString(c.Name):
			return fmt.Errorf("channel name %q: use lower-case letters, digits and dashes", c.Name)
		case len(longest) > identifierLimit:
			return fmt.Errorf("channel name %q is %d bytes too long for a database role; shorten it", c.Name, len(longest)-identifierLimit)
		case !slices.Contains(contract.ChannelTypes(), c.Type):
			return fmt.Errorf("channel %s: type %q is unknown; use one of %s", c.Name, c.Type, strings.Join(contract.ChannelTypes(), ", "))
		case seen[c.Name]:
			return fmt.Errorf("channel %s is listed twice in %s", c.Name, contract.EnvSetup)
		}
		seen[c.Name] = true
	}
	groups := in.groups()
	for _, l := range in.Logins {
		group, ok := contract.GroupOfLogin(l.Role)
		switch {
		case !ok || !slices.Contains(groups, group):
			return fmt.Errorf("login role %q belongs to no component; expected one of %s followed by _v1, _v2 …", l.Role, strings.Join(groups, ", "))
		case slices.Contains(groups, l.Role):
			return fmt.Errorf("login role %s has the name of a channel's group; rename the channel whose name ends in -v and a number", l.Role)
		case !goodPassword(l.Password):
			return fmt.Errorf("the password of login role %s must have 16 to 256 printable ASCII characters without spaces", l.Role)
		}
	}
	if in.Staff != nil {
		if a, err := mail.ParseAddress(in.Staff.Email); err != nil || a.Address != in.Staff.Email || len(in.Staff.Email) > 254 {
			return errors.New("the first staff account's e-mail address is none; write it as name@host.example in the Secret staff-bootstrap")
		}
	}
	if err := in.validateRetention(); err != nil {
		return err
	}
	if err := in.validateWebhooks(); err != nil {
		return err
	}
	if err := in.validateSendWindow(); err != nil {
		return err
	}
	if err := in.validatePrivacyNotice(); err != nil {
		return err
	}
	return in.validateHolds()
}

// goodPassword holds to what SCRAM takes without normalisation, and to a length that
// nobody guesses.
func goodPassword(p string) bool {
	return len(p) >= 16 && len(p) <= 256 && !strings.ContainsFunc(p, func(r rune) bool { return r < '!' || r > '~' })
}

func (in Input) validateRetention() error {
	policies := map[string]bool{}
	for _, r := range in.Setup.Retention {
		if r.Policy == "" || policies[r.Policy] {
			return fmt.Errorf("retention policy %q is listed twice or has no name in %s", r.Policy, contract.EnvSetup)
		}
		policies[r.Policy] = true
		if err := r.Validate(); err != nil {
			return err
		}
	}
	return nil
}
