package provider

import (
	"net/http"
	"testing"
	"time"
)

func TestRetryAfter(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"": 0, "3": 3 * time.Second, "-1": 0, "soon": 0, "999999999": maxRetryAfter, "86401": maxRetryAfter,
		"Mon, 02 Jan 2006 15:04:05 GMT": 0, "Fri, 31 Dec 9999 23:59:59 GMT": maxRetryAfter,
	} {
		if got := RetryAfter(http.Header{"Retry-After": {value}}); got != want {
			t.Errorf("%q is %s, want %s", value, got, want)
		}
	}
}

func TestAnOriginHasNothingBehindIt(t *testing.T) {
	for origin, good := range map[string]bool{
		"https://hotel.example": true, "https://hotel.example:8443": true, "https://hotel.example/": false, "http://hotel.example": false,
		"https://hotel.example?x=1": false, "hotel.example": false, "": false, "https://": false,
	} {
		if err := CheckOrigin("x", origin); (err == nil) != good {
			t.Errorf("%q: %v", origin, err)
		}
	}
}
