//go:build race

package fuzztest

const underRaceDetector = true
