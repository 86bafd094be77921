package main

import (
	"context"
	"math"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
)

// history evaluates the rules that the queries need, as far back as they need them, and returns the queries' answers.
// The answers of many evaluations come from one range query, which Prometheus defines to be equal to an instant query
// at each step. Evaluations are at multiples of a group's interval.
func (b *bench) history(ctx context.Context) ([][]answered, error) {
	first := int64(math.MaxInt64)
	for _, one := range b.store.every {
		first = min(first, one.start)
	}
	starts := map[*rule]int64{}
	for _, asked := range b.asked.Queries {
		expr, err := b.parser.ParseExpr(asked.Expression)
		if err != nil {
			return nil, err
		}
		b.require(starts, expr, milliseconds(asked.Start), first)
	}
	done := map[*rule]bool{}
	for _, asked := range b.asked.Queries {
		expr, _ := b.parser.ParseExpr(asked.Expression)
		if err := b.record(ctx, expr, starts, done); err != nil {
			return nil, err
		}
	}
	var answers [][]answered
	for _, asked := range b.asked.Queries {
		matrix, err := b.over(ctx, asked.Expression, milliseconds(asked.Start), milliseconds(asked.End), milliseconds(asked.Step))
		if err != nil {
			return nil, err
		}
		answer := []answered{}
		for _, one := range matrix {
			made := answered{Labels: one.Metric.Map(), Values: [][2]float64{}}
			for _, point := range one.Floats {
				made.Values = append(made.Values, [2]float64{seconds(point.T), point.F})
			}
			answer = append(answer, made)
		}
		answers = append(answers, answer)
	}
	return answers, nil
}

// require notes from when each rule has to be evaluated for an expression to be answered from a time on.
func (b *bench) require(starts map[*rule]int64, expr parser.Expr, from, first int64) {
	for name, back := range reach(expr) {
		for index := range b.groups {
			group := &b.groups[index]
			for at := range group.rules {
				current := &group.rules[at]
				start := max(first, from-back)
				if known, seen := starts[current]; current.record != name || (seen && known <= start) {
					continue
				}
				starts[current] = start
				b.require(starts, current.expr, start, first)
			}
		}
	}
}

// record evaluates what an expression reads, each rule after those that it reads itself.
func (b *bench) record(ctx context.Context, expr parser.Expr, starts map[*rule]int64, done map[*rule]bool) error {
	for name := range reach(expr) {
		for index := range b.groups {
			group := &b.groups[index]
			for at := range group.rules {
				current := &group.rules[at]
				if current.record != name || done[current] {
					continue
				}
				done[current] = true
				if err := b.record(ctx, current.expr, starts, done); err != nil {
					return err
				}
				start := (starts[current] + group.interval - 1) / group.interval * group.interval
				matrix, err := b.over(ctx, current.text, start, milliseconds(b.asked.End), group.interval)
				if err != nil {
					return err
				}
				for _, one := range matrix {
					made := &series{labels: current.output(one.Metric), start: start, count: len(one.Floats)}
					for _, point := range one.Floats {
						made.times, made.values = append(made.times, point.T), append(made.values, point.F)
					}
					b.store.add(made)
				}
			}
		}
	}
	return nil
}

func (b *bench) over(ctx context.Context, expression string, start, end, step int64) (promql.Matrix, error) {
	query, err := b.engine.NewRangeQuery(ctx, b.store, nil, expression, time.UnixMilli(start), time.UnixMilli(end), time.Duration(step)*time.Millisecond)
	if err != nil {
		return nil, err
	}
	answer := query.Exec(ctx) // it is not closed, which would take back the samples that are kept
	if answer.Err != nil {
		return nil, answer.Err
	}
	return answer.Matrix()
}
