package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/common/promslog"
	"golang.org/x/sync/errgroup"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/tsdb"
)

// scratchBlock is longer than any history, so that the scratch database takes samples of each rule after the other's.
const scratchBlock = 100 * 365 * 24 * time.Hour

// backtest evaluates a plan over a history. What rules record is kept in a database of its own, over the history.
type backtest struct {
	plan     *plan
	storage  *overlay
	recorded *tsdb.DB
	instants *promql.Engine
	ranges   *promql.Engine
	metrics  *rules.Metrics

	done, total atomic.Int64
	mutex       sync.Mutex
	sinks       map[*node]*sink
	failures    []RuleFailure
}

func newBacktest(scratch string, past *history, plan *plan, interval time.Duration, expressions parser.Parser) (*backtest, error) {
	recorded, err := openScratch(filepath.Join(scratch, "recorded"))
	if err != nil {
		return nil, err
	}
	engine := func(samples int, timeout time.Duration) *promql.Engine {
		return promql.NewEngine(promql.EngineOpts{
			Logger:                   promslog.NewNopLogger(),
			MaxSamples:               samples,
			Timeout:                  timeout,
			LookbackDelta:            lookback,
			NoStepSubqueryIntervalFn: func(int64) int64 { return interval.Milliseconds() },
			EnableAtModifier:         true,
			EnableNegativeOffset:     true,
			Parser:                   expressions,
		})
	}
	return &backtest{
		plan:     plan,
		storage:  &overlay{history: past, recorded: recorded, plan: plan},
		recorded: recorded,
		instants: engine(maxSamples, instantTimeout),
		ranges:   engine(maxRangeSamples, rangeTimeout),
		metrics:  rules.NewGroupMetrics(nil),
		sinks:    map[*node]*sink{},
	}, nil
}

func (b *backtest) close() { b.recorded.Close() }

// run evaluates level after level, and the rules of a level beside each other.
func (b *backtest) run(ctx context.Context) error {
	for _, level := range b.plan.levels {
		for _, component := range level {
			for _, member := range component.nodes {
				_, count := member.ticks(b.plan.window.end)
				b.total.Add(int64(count))
			}
		}
	}
	for _, level := range b.plan.levels {
		workers, ctx := errgroup.WithContext(ctx)
		workers.SetLimit(runtime.GOMAXPROCS(0))
		for _, component := range level {
			workers.Go(func() error { return b.runComponent(ctx, component) })
		}
		if err := workers.Wait(); err != nil {
			return err
		}
		b.recorded.ForceHeadMMap()
	}
	return nil
}

func (b *backtest) runComponent(ctx context.Context, component *component) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var members []*evaluation
	for _, member := range component.nodes {
		members = append(members, b.newEvaluation(member))
	}
	slices.SortFunc(members, func(a, b *evaluation) int { return a.node.index - b.node.index })
	var err error
	if component.ticked {
		err = b.runTicked(ctx, members)
	} else {
		err = members[0].run(ctx)
	}
	b.mutex.Lock()
	defer b.mutex.Unlock()
	for _, member := range members {
		if member.failure.Count > 0 {
			b.failures = append(b.failures, member.failure)
		}
	}
	if err != nil {
		return fmt.Errorf("%s of group %s: %w", members[0].node.rule.Name(), members[0].node.group.Name(), err)
	}
	return nil
}

// printProgress writes a line of JSON to standard error twice a second.
func (b *backtest) printProgress(finished <-chan struct{}) {
	ticker := time.NewTicker(progressInterval)
	defer ticker.Stop()
	for {
		select {
		case <-finished:
			return
		case <-ticker.C:
			line, _ := json.Marshal(map[string]int64{"done": b.done.Load(), "total": b.total.Load()})
			fmt.Fprintln(os.Stderr, string(line))
		}
	}
}

func (b *backtest) report(window window) Report {
	made := Report{Start: seconds(window.start), End: seconds(window.end), Failures: b.failures, Alerts: []AlertReport{}}
	if start := b.storage.history.start; start > 0 {
		value := seconds(start)
		made.HistoryStart = &value
	}
	if made.Failures == nil {
		made.Failures = []RuleFailure{}
	}
	slices.SortFunc(made.Failures, func(a, b RuleFailure) int { return strings.Compare(a.Group+a.Rule, b.Group+b.Rule) })
	for _, alert := range b.plan.alerts {
		first, _ := alert.ticks(window.end)
		made.Alerts = append(made.Alerts, AlertReport{
			Alert:     alert.rule.Name(),
			File:      alert.group.File(),
			Group:     alert.group.Name(),
			Index:     alert.index,
			Interval:  alert.group.Interval().Seconds(),
			FirstTick: seconds(first.UnixMilli()),
			Episodes:  b.sinks[alert].within(window),
		})
	}
	return made
}

func seconds(milliseconds int64) float64 { return float64(milliseconds) / 1000 }
