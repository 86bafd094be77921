package main

import (
	"context"
	"net/url"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/promslog"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
)

const (
	// wholeBlock is longer than any history, so that a block takes the samples of each series after the other's.
	wholeBlock       = 100 * 365 * 24 * time.Hour
	samplesOfACommit = 100_000
)

// rounds returns the processor time that Prometheus' rule manager takes for one evaluation of each group, by the
// database of Prometheus: the median of some rounds, after one that only warms up. The history is in a block, as it is in a Prometheus that has
// been running; what the rounds record and what is scraped meanwhile is in the head.
func (b *bench) rounds(ctx context.Context) ([]groupCost, error) {
	if err := b.fill(ctx); err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp("", "orion-rule-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	if err := b.writeBlock(ctx, folder, b.kept()); err != nil {
		return nil, err
	}
	options := tsdb.DefaultOptions()
	options.RetentionDuration = 0
	database, err := tsdb.Open(folder, promslog.NewNopLogger(), nil, options, nil)
	if err != nil {
		return nil, err
	}
	defer database.Close()
	database.DisableCompactions()
	groups, err := b.managed(ctx, database)
	if err != nil {
		return nil, err
	}
	taken := make([][]float64, len(groups))
	for round := range b.asked.Rounds + 1 {
		now := milliseconds(b.asked.End + float64(round+1)*b.asked.Interval)
		if err := b.scrape(ctx, database, now); err != nil {
			return nil, err
		}
		for index, group := range groups {
			began := processorSeconds()
			group.Eval(ctx, time.UnixMilli(now))
			if round > 0 {
				taken[index] = append(taken[index], processorSeconds()-began)
			}
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	var costs []groupCost
	for index, group := range groups {
		for _, rule := range group.Rules() {
			if err := rule.LastError(); err != nil {
				return nil, err
			}
		}
		slices.Sort(taken[index])
		cost := groupCost{Name: group.Name(), Interval: group.Interval().Seconds(), Rules: len(group.Rules())}
		cost.Seconds = taken[index][len(taken[index])/2]
		costs = append(costs, cost)
	}
	return costs, nil
}

// processorSeconds returns how long this process has had a processor, which other work on the machine hardly changes.
func processorSeconds() float64 {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		panic(err) // it fails for a wrong argument only
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano()).Seconds()
}

func (b *bench) managed(ctx context.Context, database *tsdb.DB) ([]*rules.Group, error) {
	manager := rules.NewManager(&rules.ManagerOptions{
		Context:      ctx,
		Parser:       b.parser,
		ExternalURL:  &url.URL{},
		QueryFunc:    rules.EngineQueryFunc(b.engine, database),
		NotifyFunc:   func(context.Context, string, ...*rules.Alert) {},
		AppendableV2: database,
		Queryable:    database,
		Logger:       promslog.NewNopLogger(),
		Registerer:   prometheus.NewRegistry(),
	})
	interval := time.Duration(milliseconds(b.asked.Interval)) * time.Millisecond
	loaded, errs := manager.LoadGroups(interval, labels.EmptyLabels(), "", nil, false, b.asked.Rules...)
	for _, err := range errs {
		return nil, err
	}
	// In the order of the files, in which what is recorded comes before what reads it.
	var ordered []*rules.Group
	for _, read := range b.groups {
		for _, group := range loaded {
			if group.Name() == read.name {
				ordered = append(ordered, group)
			}
		}
	}
	return ordered, nil
}

// kept returns for each name of a series how far back rules read it, as far as there is a history.
func (b *bench) kept() map[string]int64 {
	made := map[string]int64{}
	for _, group := range b.groups {
		for _, rule := range group.rules {
			for name, back := range reach(rule.expr) {
				made[name] = max(made[name], min(back, milliseconds(b.asked.History)))
			}
		}
	}
	return made
}

// writeBlock writes the series as a block: of each name the last milliseconds that are kept of it, or all if it is nil.
func (b *bench) writeBlock(ctx context.Context, folder string, kept map[string]int64) error {
	writer, err := tsdb.NewBlockWriter(promslog.NewNopLogger(), folder, wholeBlock.Milliseconds())
	if err != nil {
		return err
	}
	defer writer.Close()
	appender, pending := writer.AppenderV2(ctx), 0
	for _, one := range b.store.every {
		var ref storage.SeriesRef
		first := 0
		if kept != nil {
			first = one.from(milliseconds(b.asked.End) - kept[one.labels.Get(labels.MetricName)])
		}
		for index := first; index < one.count; index++ {
			if ref, err = appender.Append(ref, one.labels, 0, one.time(index), one.value(index), nil, nil, storage.AppendV2Options{}); err != nil {
				return err
			}
			if pending++; pending == samplesOfACommit {
				if err := appender.Commit(); err != nil {
					return err
				}
				appender, pending, ref = writer.AppenderV2(ctx), 0, 0
			}
		}
	}
	if err := appender.Commit(); err != nil {
		return err
	}
	_, err = writer.Flush(ctx)
	return err
}

// scrape appends what the series that were given have risen to since the round before.
func (b *bench) scrape(ctx context.Context, database *tsdb.DB, now int64) error {
	appender := database.AppenderV2(ctx)
	for _, one := range b.store.every[:len(b.asked.Series)] {
		for ; one.time(one.count) <= now; one.count++ {
			if _, err := appender.Append(0, one.labels, 0, one.time(one.count), one.value(one.count), nil, nil, storage.AppendV2Options{}); err != nil {
				return err
			}
		}
	}
	return appender.Commit()
}
