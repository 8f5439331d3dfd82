package contract

import (
	"fmt"
	"regexp"
	"strings"
)

// Components that log in to the database, each by a role of its own.
const (
	ComponentServe  = "serve"
	ComponentRetain = "retain"
	// ComponentSubject carries out requests of persons.
	ComponentSubject = "subject"
	// ComponentReplay brings a database that was put back up to what has happened since.
	ComponentReplay = "replay"
	// ComponentBackup copies the whole server by replication.
	ComponentBackup = "backup"
	// ComponentExport reads a tenant out into an archive.
	ComponentExport = "export"
	// ComponentAdopt brings an archive into a database that holds nothing yet.
	ComponentAdopt = "adopt"
)

// AdminRole is the superuser that the database's image creates. Only `instance
// migrate` uses it.
const AdminRole = "postgres"

// OwnerRole owns all tables and functions; it can't log in.
const OwnerRole = "sb_owner"

// ComponentConnector names the connector of a channel as a component.
func ComponentConnector(channel string) string { return "connector-" + channel }

// GroupRole is the role that holds a component's grants; it can't log in.
// Kubernetes names have no underscore, so no two components share a role.
func GroupRole(component string) string {
	return "sb_" + strings.ReplaceAll(component, "-", "_")
}

// LoginRole is the role by which version N of a component's credentials logs in,
// a member of GroupRole.
func LoginRole(component string, version int) string {
	return fmt.Sprintf("%s_v%d", GroupRole(component), version)
}

var loginRole = regexp.MustCompile(`^(sb_[a-z0-9_]+)_v[1-9][0-9]*$`)

// GroupOfLogin gives the group of a login role, and false when the name is none.
func GroupOfLogin(login string) (string, bool) {
	m := loginRole.FindStringSubmatch(login)
	if m == nil {
		return "", false
	}
	return m[1], true
}

// QueueSchema is the schema of a channel's River tables.
func QueueSchema(channel string) string {
	return "queue_" + strings.ReplaceAll(channel, "-", "_")
}
