package openid_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/openid"
)

const (
	client = "switchboard"
	secret = "a secret that no error tells"
	origin = "https://messages.hotel.example"
)

// hostile is a provider that answers as a case of a test wants. What a right one does, test/openid shows with one that others wrote.
type hostile struct {
	*httptest.Server
	t   *testing.T
	key *ecdsa.PrivateKey

	mu sync.Mutex
	// What is answered: claims of the ID token, nil deletes one; the discovery document; the whole of the token endpoint's answer.
	claims, document map[string]any
	userInfo         map[string]any
	algorithm        jose.SignatureAlgorithm
	signer           any // instead of key
	token            http.HandlerFunc
	discovery        http.HandlerFunc
	asked            url.Values // of the token endpoint
	discoveries      int
}

func newHostile(t *testing.T) *hostile {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	h := &hostile{t: t, key: key, claims: map[string]any{}, document: map[string]any{}, algorithm: jose.ES256, signer: key}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.discoveries++
		if h.discovery != nil {
			h.discovery(w, r)
			return
		}
		d := map[string]any{
			"issuer": h.URL, "authorization_endpoint": h.URL + "/authorize", "token_endpoint": h.URL + "/token", "jwks_uri": h.URL + "/keys",
			"userinfo_endpoint": h.URL + "/userinfo", "id_token_signing_alg_values_supported": []string{"ES256", "none", "HS256"},
		}
		maps.Copy(d, h.document)
		_ = json.NewEncoder(w).Encode(d)
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), Use: "sig", Algorithm: "ES256", KeyID: "1"}}})
	})
	mux.HandleFunc("GET /userinfo", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(h.userInfo)
	})
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		defer h.mu.Unlock()
		_ = r.ParseForm()
		h.asked = r.PostForm
		if h.token != nil {
			h.token(w, r)
			return
		}
		h.grant(w, h.signed())
	})
	h.Server = httptest.NewTLSServer(mux)
	t.Cleanup(h.Close)
	return h
}

func (h *hostile) grant(w http.ResponseWriter, idToken string) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"access_token": "opaque", "token_type": "Bearer", "id_token": idToken})
}

func (h *hostile) signed() string {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: h.algorithm, Key: h.signer}, (&jose.SignerOptions{}).WithHeader("kid", "1"))
	if err != nil {
		h.t.Error(err)
		return ""
	}
	payload, _ := json.Marshal(h.all())
	object, err := signer.Sign(payload)
	if err != nil {
		h.t.Error(err)
		return ""
	}
	compact, _ := object.CompactSerialize()
	return compact
}

func (h *hostile) all() map[string]any {
	all := map[string]any{
		"iss": h.URL, "aud": client, "sub": "4711", "iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix(),
		"email": "Eva@Hotel.example", "email_verified": true,
	}
	for name, value := range h.claims {
		if all[name] = value; value == nil {
			delete(all, name)
		}
	}
	return all
}

// config of a tenant that trusts the provider.
func (h *hostile) config() contract.StaffOIDC {
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: h.Certificate().Raw})
	return contract.StaffOIDC{
		Name: "Directory", Issuer: h.URL, ClientID: client, CIDRs: []string{"127.0.0.1/32"}, VerifiedClaim: "email_verified", CABundle: string(ca),
	}
}

func (h *hostile) provider(change func(*contract.StaffOIDC)) *openid.Provider {
	h.t.Helper()
	c := h.config()
	if change != nil {
		change(&c)
	}
	dir := h.t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, contract.FileClientSecret), []byte(secret+"\n"), 0o600); err != nil {
		h.t.Fatal(err)
	}
	p, err := openid.New(c, dir, origin)
	if err != nil {
		h.t.Fatal(err)
	}
	return p
}

// begin begins an attempt, and gives what the provider was shown.
func begin(t *testing.T, p *openid.Provider) (openid.Flow, url.Values) {
	t.Helper()
	flow := openid.NewFlow()
	at, err := p.Begin(t.Context(), flow)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	return flow, u.Query()
}

func TestWhatTheProviderIsShown(t *testing.T) {
	h := newHostile(t)
	p := h.provider(nil)
	flow, shown := begin(t, p)
	for name, want := range map[string]string{
		"response_type": "code", "client_id": client, "redirect_uri": origin + "/api/v1/sign-in/return", "scope": "openid email", "code_challenge_method": "S256",
	} {
		if shown.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, shown.Get(name), want)
		}
	}
	_, again := begin(t, p)
	for _, name := range []string{"state", "nonce", "code_challenge"} {
		if len(shown.Get(name)) < 43 || shown.Get(name) == again.Get(name) {
			t.Errorf("%s is %q, and then %q", name, shown.Get(name), again.Get(name))
		}
	}
	if h.discoveries != 1 {
		t.Errorf("the discovery document was asked for %d times", h.discoveries)
	}
	h.claims["nonce"] = shown.Get("nonce")
	who, err := p.Finish(t.Context(), flow, url.Values{"state": {shown.Get("state")}, "code": {"c"}})
	if want := (openid.Person{Issuer: h.URL, Client: client, Subject: "4711", Email: "eva@hotel.example"}); err != nil || who != want {
		t.Fatalf("%+v, %v", who, err)
	}
	if h.asked.Get("redirect_uri") != origin+"/api/v1/sign-in/return" || len(h.asked.Get("code_verifier")) < 43 || h.asked.Has("client_secret") {
		t.Errorf("the token endpoint was asked with %v", h.asked)
	}
}

func TestAnAnswerThatIsNotRightSignsNobodyIn(t *testing.T) {
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	claim := func(name string, value any) func(*hostile, url.Values) {
		return func(h *hostile, _ url.Values) { h.claims[name] = value }
	}
	for name, c := range map[string]struct {
		answer func(h *hostile, answer url.Values)
		change func(*contract.StaffOIDC)
		want   error
	}{
		"another browser's state":             {func(_ *hostile, a url.Values) { a.Set("state", "forged") }, nil, openid.ErrUntrusted},
		"no state":                            {func(_ *hostile, a url.Values) { a.Del("state") }, nil, openid.ErrUntrusted},
		"no code":                             {func(_ *hostile, a url.Values) { a.Del("code") }, nil, openid.ErrUntrusted},
		"a code without end":                  {func(_ *hostile, a url.Values) { a.Set("code", strings.Repeat("x", 5000)) }, nil, openid.ErrUntrusted},
		"an error":                            {func(_ *hostile, a url.Values) { a.Set("error", "access_denied") }, nil, openid.ErrDeclined},
		"another issuer answers":              {func(_ *hostile, a url.Values) { a.Set("iss", "https://other.example") }, nil, openid.ErrUntrusted},
		"an issuer that says it names itself": {func(h *hostile, _ url.Values) { h.document["authorization_response_iss_parameter_supported"] = true }, nil, openid.ErrUntrusted},
		"the nonce of another attempt":        {claim("nonce", "of another"), nil, openid.ErrUntrusted},
		"no nonce":                            {claim("nonce", nil), nil, openid.ErrUntrusted},
		"an ID token for another client":      {claim("aud", "another"), nil, openid.ErrUntrusted},
		"one for two, made for the other": {func(h *hostile, _ url.Values) {
			h.claims["aud"], h.claims["azp"] = []string{client, "another"}, "another"
		}, nil, openid.ErrUntrusted},
		"one for two, for whom is not said": {claim("aud", []string{client, "another"}), nil, openid.ErrUntrusted},
		"one of another tenant's issuer":    {claim("iss", "https://other.example"), nil, openid.ErrUntrusted},
		"one that has expired":              {claim("exp", time.Now().Add(-time.Minute).Unix()), nil, openid.ErrUntrusted},
		"one of nobody":                     {claim("sub", ""), nil, openid.ErrUntrusted},
		"one signed by another key":         {func(h *hostile, _ url.Values) { h.signer = other }, nil, openid.ErrUntrusted},
		"one signed by the client's secret": {func(h *hostile, _ url.Values) { h.algorithm, h.signer = jose.HS256, bytes.Repeat([]byte(secret), 2) }, nil, openid.ErrUntrusted},
		"one that is not signed": {func(h *hostile, _ url.Values) {
			h.token = func(w http.ResponseWriter, _ *http.Request) { h.grant(w, unsigned(h)) }
		}, nil, openid.ErrUntrusted},
		"none": {func(h *hostile, _ url.Values) {
			h.token = func(w http.ResponseWriter, _ *http.Request) { h.grant(w, "") }
		}, nil, openid.ErrUntrusted},
		"an address that is not verified":      {claim("email_verified", false), nil, openid.ErrUnverified},
		"of which that is not said":            {claim("email_verified", nil), nil, openid.ErrUnverified},
		"or in words that mean nothing":        {claim("email_verified", "yes"), nil, openid.ErrUnverified},
		"one verified by the claim of another": {nil, func(c *contract.StaffOIDC) { c.VerifiedClaim = "xms_edov" }, openid.ErrUnverified},
		"no address":                           {claim("email", ""), nil, openid.ErrUnverified},
		"an address of another domain":         {nil, func(c *contract.StaffOIDC) { c.EmailDomains = []string{"otherhotel.example"} }, openid.ErrDomain},
		"one of a domain below":                {claim("email", "eva@sub.hotel.example"), func(c *contract.StaffOIDC) { c.EmailDomains = []string{"hotel.example"} }, openid.ErrDomain},
		"one with two domains":                 {claim("email", `"eva@hotel.example"@evil.example`), nil, openid.ErrUnverified},
		"somebody else's address by user info": {func(h *hostile, _ url.Values) {
			h.claims["email"] = nil
			h.userInfo = map[string]any{"sub": "4712", "email": "eva@hotel.example", "email_verified": true}
		}, nil, openid.ErrUntrusted},
		"one by user info that is not verified": {func(h *hostile, _ url.Values) {
			h.claims["email"] = nil
			h.userInfo = map[string]any{"sub": "4711", "email": "eva@hotel.example"}
		}, nil, openid.ErrUnverified},
		"a code that was used":     {func(h *hostile, _ url.Values) { h.token = refuse("invalid_grant") }, nil, openid.ErrUntrusted},
		"a secret that is another": {func(h *hostile, _ url.Values) { h.token = refuse("invalid_client") }, nil, openid.ErrUnavailable},
		"more than anybody needs":  {func(h *hostile, _ url.Values) { h.claims["padding"] = strings.Repeat("x", 512<<10) }, nil, openid.ErrUnavailable},
		"a redirect of the token endpoint": {func(h *hostile, _ url.Values) {
			h.token = func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, h.URL+"/keys", http.StatusTemporaryRedirect)
			}
		}, nil, openid.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHostile(t)
			if name == "an issuer that says it names itself" { // before it is discovered
				c.answer(h, nil)
			}
			p := h.provider(c.change)
			flow, shown := begin(t, p)
			h.claims["nonce"] = shown.Get("nonce")
			answer := url.Values{"state": {shown.Get("state")}, "code": {"c"}}
			if c.answer != nil {
				c.answer(h, answer)
			}
			who, err := p.Finish(t.Context(), flow, answer)
			if !errors.Is(err, c.want) || who != (openid.Person{}) {
				t.Fatalf("%+v, %v; want %v", who, err, c.want)
			}
			if said := err.Error(); strings.Contains(said, secret) || strings.Contains(said, "told by the provider") || strings.Contains(said, "eva") {
				t.Errorf("the error tells what it must not: %s", said)
			}
		})
	}
}

func refuse(code string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"error": %q, "error_description": "told by the provider, with %s"}`, code, secret)
	}
}

// unsigned makes an ID token of algorithm none.
func unsigned(h *hostile) string {
	payload, _ := json.Marshal(h.all())
	return b64([]byte(`{"alg":"none"}`)) + "." + b64(payload) + "."
}

func TestAProviderThatIsElsewhereIsNotAsked(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(h *hostile)
		change func(*contract.StaffOIDC)
		says   string
	}{
		"its name leads out of the sub-processor's networks": {nil, func(c *contract.StaffOIDC) { c.CIDRs = []string{"198.51.100.0/24"} }, "networks"},
		"the region allows it no networks":                   {nil, func(c *contract.StaffOIDC) { c.CIDRs = nil }, "networks"},
		"all of the Internet does not mean what is within":   {nil, func(c *contract.StaffOIDC) { c.CIDRs = []string{"0.0.0.0/0"} }, "networks"},
		"its address is forbidden":                           {nil, func(c *contract.StaffOIDC) { c.Except = []string{"127.0.0.1/32"} }, "networks"},
		"its certificate is another authority's":             {nil, func(c *contract.StaffOIDC) { c.CABundle = "" }, "authority"},
		"it names another issuer":                            {func(h *hostile) { h.document["issuer"] = "https://other.example" }, nil, "another issuer"},
		"it redirects": {func(h *hostile) {
			h.discovery = func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, "https://169.254.169.254/", http.StatusFound)
			}
		}, nil, "another address"},
		"it answers with more than anybody needs":          {func(h *hostile) { h.document["padding"] = strings.Repeat("x", 512<<10) }, nil, "does not answer as it should"},
		"it sends browsers where nobody is sure who reads": {func(h *hostile) { h.document["authorization_endpoint"] = "http://login.example/" }, nil, "https"},
		"it takes no secret":                               {func(h *hostile) { h.document["token_endpoint_auth_methods_supported"] = []string{"private_key_jwt"} }, nil, "client secret"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHostile(t)
			if c.answer != nil {
				c.answer(h)
			}
			_, err := h.provider(c.change).Begin(t.Context(), openid.NewFlow())
			if !errors.Is(err, openid.ErrUnavailable) || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("%v; want one that says %q", err, c.says)
			}
		})
	}
}

// TestEndpointsOnOtherPortsAreNotAsked: no egress leads there, and a document must not choose ports.
func TestEndpointsOnOtherPortsAreNotAsked(t *testing.T) {
	h, other := newHostile(t), newHostile(t)
	h.document["token_endpoint"] = other.URL + "/token"
	p := h.provider(nil)
	flow, shown := begin(t, p)
	_, err := p.Finish(t.Context(), flow, url.Values{"state": {shown.Get("state")}, "code": {"c"}})
	if !errors.Is(err, openid.ErrUnavailable) || other.asked != nil {
		t.Fatalf("%v, and the other was asked %v", err, other.asked)
	}
}

func TestASecretThatIsMissingIsTold(t *testing.T) {
	h := newHostile(t)
	p, err := openid.New(h.config(), t.TempDir(), origin)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Begin(t.Context(), openid.NewFlow()); !errors.Is(err, openid.ErrUnavailable) || !strings.Contains(err.Error(), "StaffOIDCReady") {
		t.Fatal(err)
	}
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
