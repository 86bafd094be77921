package main

import (
	"cmp"
	"context"
	"math"
	"slices"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
)

// overlay is the history, with what the rules write in place of what the history holds of the same rules.
type overlay struct {
	history  *history
	recorded *tsdb.DB
	plan     *plan
}

type overlayQuerier struct {
	storage.Querier // the history's
	recorded        storage.Querier
	plan            *plan
}

func (o *overlay) Querier(mint, maxt int64) (storage.Querier, error) {
	past, err := o.history.Querier(mint, maxt)
	if err != nil {
		return nil, err
	}
	recorded, err := o.recorded.Querier(mint, maxt)
	if err != nil {
		return nil, err
	}
	return &overlayQuerier{Querier: past, recorded: recorded, plan: o.plan}, nil
}

func (o *overlayQuerier) Close() error {
	if err := o.Querier.Close(); err != nil {
		return err
	}
	return o.recorded.Close()
}

func (o *overlayQuerier) Select(ctx context.Context, sorted bool, hints *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	if !slices.ContainsFunc(o.plan.every, func(writer *node) bool {
		return slices.ContainsFunc(writer.outputs, func(output map[string]string) bool { return mayMatch(matchers, output) })
	}) {
		return o.Querier.Select(ctx, sorted, hints, matchers...)
	}
	past := &withoutWritten{SeriesSet: o.Querier.Select(ctx, true, hints, matchers...), plan: o.plan}
	written := o.recorded.Select(ctx, true, hints, matchers...)
	return storage.NewMergeSeriesSet([]storage.SeriesSet{past, written}, 0, storage.ChainedSeriesMerge)
}

// withoutWritten leaves out the series that the rules write themselves.
type withoutWritten struct {
	storage.SeriesSet
	plan *plan
}

func (w *withoutWritten) Next() bool {
	for w.SeriesSet.Next() {
		if !w.plan.writes(w.At().Labels()) {
			return true
		}
	}
	return false
}

func (p *plan) writes(series labels.Labels) bool {
	name := series.Get(labels.MetricName)
	if name == alertsMetric || name == stateMetric {
		return p.alertNames[series.Get(labels.AlertName)]
	}
	return p.records[name]
}

// sink takes what a group writes. It keeps an alert's ALERTS series as episodes, and passes on what other rules read.
type sink struct {
	database *tsdb.DB // nil where no rule reads what this one writes
	episodes []*Episode
	open     map[string]*Episode
	live     int // samples of the last evaluation that are no staleness markers
}

// Episode is a time in which an alert was pending or firing: from its first sample of ALERTS until the evaluation that
// found it gone. Where Open, it had not ended when the window did. Times are Unix seconds.
type Episode struct {
	Labels labels.Labels `json:"labels"`
	State  string        `json:"state"`
	Start  float64       `json:"start"`
	End    float64       `json:"end"`
	Open   bool          `json:"open"`
}

func (b *backtest) sinkOf(current *node) *sink {
	made := &sink{open: map[string]*Episode{}}
	_, alerting := current.rule.(*rules.AlertingRule)
	if !alerting || len(current.readers) > 0 {
		made.database = b.recorded
	}
	b.mutex.Lock()
	defer b.mutex.Unlock()
	b.sinks[current] = made
	return made
}

// AppenderV2 implements storage.AppendableV2.
func (s *sink) AppenderV2(ctx context.Context) storage.AppenderV2 {
	made := &sinkAppender{sink: s}
	if s.database != nil {
		made.AppenderV2 = s.database.AppenderV2(ctx)
	}
	return made
}

type sinkAppender struct {
	storage.AppenderV2
	sink *sink
}

func (a *sinkAppender) Append(ref storage.SeriesRef, series labels.Labels, start, t int64, v float64, h *histogram.Histogram, fh *histogram.FloatHistogram, options storage.AOptions) (storage.SeriesRef, error) {
	stale := h == nil && fh == nil && value.IsStaleNaN(v)
	if !stale {
		a.sink.live++
	}
	if series.Get(labels.MetricName) == alertsMetric {
		a.sink.keep(series, t, stale)
	}
	if a.AppenderV2 == nil {
		return ref, nil
	}
	return a.AppenderV2.Append(ref, series, start, t, v, h, fh, options)
}

func (a *sinkAppender) Commit() error {
	if a.AppenderV2 == nil {
		return nil
	}
	return a.AppenderV2.Commit()
}

func (a *sinkAppender) Rollback() error {
	if a.AppenderV2 == nil {
		return nil
	}
	return a.AppenderV2.Rollback()
}

func (s *sink) keep(series labels.Labels, t int64, stale bool) {
	key := series.String()
	current := s.open[key]
	switch {
	case stale && current != nil:
		current.End = seconds(t)
		delete(s.open, key)
	case !stale && current == nil:
		names := labels.NewBuilder(series).Del(labels.MetricName, "alertstate").Labels()
		s.open[key] = &Episode{Labels: names, State: series.Get("alertstate"), Start: seconds(t)}
		s.episodes = append(s.episodes, s.open[key])
	}
}

// end closes what is open at the end of the window; t is the first tick after it.
func (s *sink) end(t int64) {
	for _, current := range s.open {
		current.End, current.Open = seconds(t), true
	}
}

// within returns the episodes that overlap the window, in the order in which they began.
func (s *sink) within(window window) []Episode {
	found := []Episode{}
	for _, current := range s.episodes {
		end := current.End
		if current.Open {
			end = math.Inf(1)
		}
		if end > seconds(window.start) {
			found = append(found, *current)
		}
	}
	slices.SortFunc(found, func(a, b Episode) int {
		return cmp.Or(cmp.Compare(a.Start, b.Start), labels.Compare(a.Labels, b.Labels), cmp.Compare(a.State, b.State))
	})
	return found
}
