package main

import (
	"context"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
)

// longest is the history that recorded series are given: longer than any window.
const longest = 32 * 24 * time.Hour

// samples returns the samples that one evaluation of each group reads, once every series that the rules record has been
// there for as long as any rule looks back. They are counted by the engine, at what lies under each subquery.
func (b *bench) samples(ctx context.Context) ([]groupCost, error) {
	if err := b.fill(ctx); err != nil {
		return nil, err
	}
	var costs []groupCost
	for _, group := range b.groups {
		cost := groupCost{Name: group.name, Interval: seconds(group.interval), Rules: len(group.rules)}
		for _, rule := range group.rules {
			_, read, err := b.instant(ctx, rule)
			if err != nil {
				return nil, err
			}
			cost.Samples += read
		}
		costs = append(costs, cost)
	}
	return costs, nil
}

// fill gives every series that the rules record a past: the value that it has at the end, at each of its evaluations.
// What a rule reads of another one exists after the other one's turn, so that it goes on until nothing is new.
func (b *bench) fill(ctx context.Context) error {
	for added := true; added; {
		added = false
		for _, group := range b.groups {
			for _, rule := range group.rules {
				if rule.record == "" {
					continue
				}
				vector, _, err := b.instant(ctx, rule)
				if err != nil {
					return err
				}
				for _, sample := range vector {
					start := milliseconds(b.asked.End) - longest.Milliseconds()
					start -= start % group.interval
					past := &series{labels: rule.output(sample.Metric), start: start, step: group.interval, first: sample.F}
					past.count = int((milliseconds(b.asked.End)-start)/group.interval) + 1
					added = b.store.add(past) || added
				}
			}
		}
	}
	return nil
}

func (b *bench) instant(ctx context.Context, rule rule) (promql.Vector, int64, error) {
	query, err := b.engine.NewInstantQuery(ctx, b.store, nil, rule.text, time.UnixMilli(milliseconds(b.asked.End)))
	if err != nil {
		return nil, 0, err
	}
	defer query.Close()
	answer := query.Exec(ctx)
	if answer.Err != nil {
		return nil, 0, answer.Err
	}
	read := query.Stats().Samples.SamplesRead
	switch value := answer.Value.(type) {
	case promql.Scalar:
		return promql.Vector{{T: value.T, F: value.V}}, read, nil
	default:
		vector, err := answer.Vector()
		copied := make(promql.Vector, len(vector))
		copy(copied, vector) // the engine takes its own back when the query is closed
		return copied, read, err
	}
}

// output returns the labels of what the rule records of a series, as Prometheus gives them.
func (r rule) output(metric labels.Labels) labels.Labels {
	builder := labels.NewBuilder(metric).Set(labels.MetricName, r.record)
	for name, value := range r.labels {
		builder.Set(name, value)
	}
	return builder.Labels()
}

// reach returns for each name of a series how far back an expression reads it, in milliseconds.
func reach(expr parser.Expr) map[string]int64 {
	found := map[string]int64{}
	parser.Inspect(expr, func(node parser.Node, path []parser.Node) error {
		selector, ok := node.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		back := selector.OriginalOffset + lookback
		for _, above := range path {
			switch outer := above.(type) {
			case *parser.MatrixSelector:
				back += outer.Range
			case *parser.SubqueryExpr:
				back += outer.Range + outer.OriginalOffset
			}
		}
		found[selector.Name] = max(found[selector.Name], back.Milliseconds())
		return nil
	})
	return found
}
