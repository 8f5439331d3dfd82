package main

import (
	"context"
	"fmt"
	"time"
)

// idle is what the operator does when nothing changes.
type idle struct {
	Seconds   float64  `json:"seconds"`
	Writes    int      `json:"writes"`
	Requests  requests `json:"requests"`
	Processor float64  `json:"operatorProcessorSeconds"`
	// A restart makes a pass over everything.
	Restart         float64  `json:"restartSeconds"` // until nothing was left to do
	RestartWrites   int      `json:"restartWrites"`
	RestartRequests requests `json:"restartRequests"`
	RestartPeak     int64    `json:"restartPeakKiB"`
}

func (w *world) measureIdle(ctx context.Context, long time.Duration) (idle, error) {
	i := idle{Seconds: long.Seconds()}
	if _, err := w.op.rest(ctx, w.Tenants, 5*time.Minute); err != nil {
		return i, err
	}
	mark, err := w.plane.auditMark()
	if err != nil {
		return i, err
	}
	before, err := w.op.processor()
	if err != nil {
		return i, err
	}
	if err := pause(ctx, long); err != nil {
		return i, err
	}
	after, err := w.op.processor()
	if err != nil {
		return i, err
	}
	i.Processor = (after - before).Seconds()
	if i.Requests, err = w.plane.requestsSince(mark); err != nil {
		return i, err
	}
	i.Writes = i.Requests.writes()
	return i, w.measureRestart(ctx, &i)
}

func (w *world) measureRestart(ctx context.Context, i *idle) error {
	w.op.stop()
	mark, err := w.plane.auditMark()
	if err != nil {
		return err
	}
	start := time.Now()
	if err := w.startOperator(ctx); err != nil {
		return err
	}
	settled, err := w.op.rest(ctx, w.Tenants, 10*time.Minute)
	if err != nil {
		return fmt.Errorf("after a restart: %w", err)
	}
	i.Restart = settled.Sub(start).Seconds()
	if i.RestartRequests, err = w.plane.requestsSince(mark); err != nil {
		return err
	}
	i.RestartWrites = i.RestartRequests.writes()
	_, i.RestartPeak, err = w.op.memory()
	return err
}
