package main

import (
	"context"
	"errors"
	"net/url"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/timestamp"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/rules"
)

const (
	// pieceDuration is how much of the window one range query answers, unless the expression looks back further.
	pieceDuration = 3 * 24 * time.Hour
	lookback      = 5 * time.Minute // Prometheus' default for --query.lookback-delta
	// maxSamples is Prometheus' default for --query.max-samples. A range query gets less, so that memory is bounded;
	// one that exceeds it is split.
	maxSamples      = 50_000_000
	maxRangeSamples = 10_000_000
	instantTimeout  = 2 * time.Minute // Prometheus' default for --query.timeout
	rangeTimeout    = time.Hour
)

// evaluation takes one rule through its ticks: a rules.Group of its own, whose queries are answered beforehand.
type evaluation struct {
	*backtest
	node       *node
	expression string
	group      *rules.Group
	sink       *sink
	query      rules.QueryFunc
	tick       time.Time // of the query, the rule's offset subtracted
	answer     promql.Vector
	answerErr  error
	failure    RuleFailure
}

func (b *backtest) newEvaluation(current *node) *evaluation {
	made := &evaluation{backtest: b, node: current, expression: current.rule.Query().String()}
	made.sink = b.sinkOf(current)
	made.query = rules.EngineQueryFunc(b.instants, b.storage)
	offset := current.group.QueryOffset()
	if alert, ok := current.rule.(*rules.AlertingRule); ok {
		alert.SetRestored(true) // there is nothing to restore: the alert's state is written from the first tick on
	}
	made.group = rules.NewGroup(rules.GroupOptions{
		Name:        current.group.Name(),
		File:        current.group.File(),
		Interval:    current.group.Interval(),
		Limit:       current.group.Limit(),
		QueryOffset: &offset,
		Rules:       []rules.Rule{current.rule},
		Opts: &rules.ManagerOptions{
			Context:      context.Background(),
			Metrics:      b.metrics,
			QueryFunc:    made.answered,
			AppendableV2: made.sink,
			Queryable:    b.storage,
			ExternalURL:  &url.URL{},
			NotifyFunc:   func(context.Context, string, ...*rules.Alert) {},
		},
	})
	made.failure = RuleFailure{Rule: current.rule.Name(), Group: current.group.Name()}
	return made
}

// answered is the group's query function. What is not the rule's own expression is a query of a template.
func (e *evaluation) answered(ctx context.Context, query string, ts time.Time) (promql.Vector, error) {
	if query == e.expression && ts.Equal(e.tick) {
		return e.answer, e.answerErr
	}
	return e.query(ctx, query, ts)
}

// evaluate has Prometheus' own group evaluate the rule at a tick, with the answer to its expression.
// Nothing is evaluated while Prometheus is down.
func (e *evaluation) evaluate(ctx context.Context, ts time.Time, answer promql.Vector, err error) {
	if e.storage.history.isDown(ts.UnixMilli()) {
		return
	}
	e.tick, e.answer, e.answerErr = ts.Add(-e.node.group.QueryOffset()), answer, err
	e.sink.live = 0
	e.group.Eval(ctx, ts)
	if failed := e.node.rule.LastError(); failed != nil {
		if e.failure.Count == 0 {
			e.failure.First, e.failure.Error = seconds(ts.UnixMilli()), failed.Error()
		}
		e.failure.Count++
		e.sink.live++ // the alert keeps the state that it had, so that the next tick counts
	}
}

// run evaluates the rule from its first tick to the window's end.
func (e *evaluation) run(ctx context.Context) error {
	first, count := e.node.ticks(e.plan.window.end)
	interval := e.node.group.Interval()
	piece := max(pieceDuration, time.Duration(e.node.from-e.node.earliestRead())*time.Millisecond)
	size := max(1, int(piece/interval))
	for done := 0; done < count; done += size {
		if err := e.ticks(ctx, first.Add(time.Duration(done)*interval), min(size, count-done)); err != nil {
			return err
		}
	}
	e.sink.end(timestamp.FromTime(first.Add(time.Duration(count) * interval)))
	return nil
}

// ticks evaluates the rule at some ticks, by one range query. Where that fails, it halves them: in the end it is a
// single tick that fails, as it would for Prometheus.
func (e *evaluation) ticks(ctx context.Context, first time.Time, count int) error {
	if count == 1 {
		return e.single(ctx, first)
	}
	interval := e.node.group.Interval()
	start := first.Add(-e.node.group.QueryOffset())
	query, err := e.ranges.NewRangeQuery(ctx, e.storage, nil, e.expression, start, start.Add(time.Duration(count-1)*interval), interval)
	if err != nil {
		return err
	}
	defer query.Close()
	result := query.Exec(ctx)
	if result.Err == nil {
		matrix, err := result.Matrix()
		if err != nil {
			return err
		}
		e.feed(ctx, matrix, first, count)
		return ctx.Err()
	}
	if err := unusable(ctx, result.Err); err != nil {
		return err
	}
	query.Close()
	half := count / 2
	if err := e.ticks(ctx, first, half); err != nil {
		return err
	}
	return e.ticks(ctx, first.Add(time.Duration(half)*interval), count-half)
}

func (e *evaluation) single(ctx context.Context, ts time.Time) error {
	answer, err := e.query(ctx, e.expression, ts.Add(-e.node.group.QueryOffset()))
	if err := unusable(ctx, err); err != nil {
		return err
	}
	e.evaluate(ctx, ts, answer, err)
	e.done.Add(1)
	return nil
}

// unusable returns the errors that are not the rule's: the storage's, and the end of the program.
func unusable(ctx context.Context, err error) error {
	var stored promql.ErrStorage
	if errors.As(err, &stored) {
		return err
	}
	return ctx.Err()
}

// feed evaluates the rule at each tick with what the range query has for it. An alert without samples now that had
// none at the tick before has no state, so that nothing would come of its evaluation.
func (e *evaluation) feed(ctx context.Context, matrix promql.Matrix, first time.Time, count int) {
	interval := e.node.group.Interval()
	offset := e.node.group.QueryOffset().Milliseconds()
	floats, histograms := make([]int, len(matrix)), make([]int, len(matrix))
	_, alerting := e.node.rule.(*rules.AlertingRule)
	for number := 0; number < count; number++ {
		ts := first.Add(time.Duration(number) * interval)
		now := ts.UnixMilli() - offset
		var vector promql.Vector
		for index := range matrix {
			series := &matrix[index]
			if at := floats[index]; at < len(series.Floats) && series.Floats[at].T == now {
				vector = append(vector, promql.Sample{Metric: series.Metric, T: now, F: series.Floats[at].F, DropName: series.DropName})
				floats[index]++
			}
			if at := histograms[index]; at < len(series.Histograms) && series.Histograms[at].T == now {
				copied := histogram.FloatHistogram{}
				series.Histograms[at].H.CopyTo(&copied)
				vector = append(vector, promql.Sample{Metric: series.Metric, T: now, H: &copied, DropName: series.DropName})
				histograms[index]++
			}
		}
		if alerting && len(vector) == 0 && e.sink.live == 0 {
			continue
		}
		e.evaluate(ctx, ts, vector, nil)
	}
	e.done.Add(int64(count))
}

// runTicked evaluates rules that read each other's output, tick by tick, each at its group's time.
func (b *backtest) runTicked(ctx context.Context, members []*evaluation) error {
	type schedule struct {
		*evaluation
		next time.Time
		left int
	}
	var schedules []*schedule
	for _, member := range members {
		first, count := member.node.ticks(b.plan.window.end)
		schedules = append(schedules, &schedule{evaluation: member, next: first, left: count})
	}
	for {
		var earliest *schedule
		for _, current := range schedules {
			if current.left > 0 && (earliest == nil || current.next.Before(earliest.next)) {
				earliest = current
			}
		}
		if earliest == nil {
			return nil
		}
		if err := earliest.single(ctx, earliest.next); err != nil {
			return err
		}
		earliest.next = earliest.next.Add(earliest.node.group.Interval())
		if earliest.left--; earliest.left == 0 {
			earliest.sink.end(timestamp.FromTime(earliest.next))
		}
	}
}
