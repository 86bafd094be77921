package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/timestamp"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
)

const (
	alertsMetric = "ALERTS"
	stateMetric  = "ALERTS_FOR_STATE"
)

// node is a rule, when it is evaluated, and what its output can be: for each series the labels that are known.
type node struct {
	rule      rules.Rule
	group     *rules.Group
	index     int
	outputs   []map[string]string
	selectors [][]*labels.Matcher
	reads     []*node
	readers   []*node
	from      int64 // milliseconds; the first tick is at or after it
	component *component
}

// component is one rule, or several that read each other's earlier output: those are evaluated tick by tick.
type component struct {
	nodes  []*node
	ticked bool
	level  int
}

// plan is what is evaluated, each level after the one before it.
type plan struct {
	levels [][]*component
	every  []*node
	alerts []*node
	window window
	// records and alertNames are the names of what the rules write.
	records, alertNames map[string]bool
}

func newPlan(groups []*rules.Group, wanted []string, window window, historyStart int64) (*plan, error) {
	slices.SortFunc(groups, func(a, b *rules.Group) int {
		return strings.Compare(a.File()+"\x00"+a.Name(), b.File()+"\x00"+b.Name())
	})
	made := &plan{window: window, records: map[string]bool{}, alertNames: map[string]bool{}}
	for _, group := range groups {
		for index, rule := range group.Rules() {
			current := &node{rule: rule, group: group, index: index, from: math.MaxInt64, outputs: outputsOf(rule)}
			current.selectors = parser.ExtractSelectors(rule.Query())
			made.every = append(made.every, current)
			if _, alerting := rule.(*rules.AlertingRule); !alerting {
				made.records[rule.Name()] = true
				continue
			}
			made.alertNames[rule.Name()] = true
			if len(wanted) == 0 || slices.Contains(wanted, rule.Name()) {
				made.alerts = append(made.alerts, current)
			}
		}
	}
	for _, name := range wanted {
		if !slices.ContainsFunc(made.alerts, func(alert *node) bool { return alert.rule.Name() == name }) {
			return nil, fmt.Errorf("alert %s: no rule has that name. `orion render rules` prints those that there are", name)
		}
	}
	linkReaders(made.every)
	components := strongComponents(made.alerts)
	for _, component := range components {
		for len(made.levels) <= component.level {
			made.levels = append(made.levels, nil)
		}
		made.levels[component.level] = append(made.levels[component.level], component)
	}
	setStarts(made.alerts, components, window, historyStart)
	return made, nil
}

func outputsOf(rule rules.Rule) []map[string]string {
	known := map[string]string{}
	rule.Labels().Range(func(label labels.Label) {
		if !strings.Contains(label.Value, "{{") {
			known[label.Name] = label.Value
		}
	})
	if _, alerting := rule.(*rules.AlertingRule); !alerting {
		known[labels.MetricName] = rule.Name()
		return []map[string]string{known}
	}
	var outputs []map[string]string
	for _, metric := range []string{alertsMetric, stateMetric} {
		output := map[string]string{}
		for name, value := range known {
			output[name] = value
		}
		output[labels.MetricName], output[labels.AlertName] = metric, rule.Name()
		outputs = append(outputs, output)
	}
	return outputs
}

func mayMatch(selector []*labels.Matcher, output map[string]string) bool {
	for _, matcher := range selector {
		if value, known := output[matcher.Name]; known && !matcher.Matches(value) {
			return false
		}
	}
	return true
}

func linkReaders(nodes []*node) {
	for _, reader := range nodes {
		for _, writer := range nodes {
			if reader.readsOutputOf(writer) {
				reader.reads = append(reader.reads, writer)
				writer.readers = append(writer.readers, reader)
				// A rule sees what those before it in its group wrote at this tick, and of those after it the tick before.
				if reader.group == writer.group && reader.index < writer.index {
					writer.reads = append(writer.reads, reader)
				}
			}
		}
	}
}

func (n *node) readsOutputOf(writer *node) bool {
	for _, selector := range n.selectors {
		for _, output := range writer.outputs {
			if mayMatch(selector, output) {
				return true
			}
		}
	}
	return false
}

// strongComponents returns the components that the alerts need, each after those that it reads (Tarjan's algorithm).
func strongComponents(alerts []*node) []*component {
	var (
		found  []*component
		stack  []*node
		number = map[*node]int{}
		lowest = map[*node]int{}
		visit  func(*node)
	)
	visit = func(current *node) {
		number[current] = len(number)
		lowest[current] = number[current]
		stack = append(stack, current)
		for _, other := range current.reads {
			if _, seen := number[other]; !seen {
				visit(other)
				lowest[current] = min(lowest[current], lowest[other])
			} else if other.component == nil {
				lowest[current] = min(lowest[current], number[other])
			}
		}
		if lowest[current] != number[current] {
			return
		}
		first := slices.Index(stack, current)
		made := &component{nodes: slices.Clone(stack[first:])}
		stack = stack[:first]
		made.ticked = len(made.nodes) > 1 || slices.Contains(current.reads, current)
		for _, member := range made.nodes {
			member.component = made
		}
		for _, member := range made.nodes {
			for _, other := range member.reads {
				if other.component != made {
					made.level = max(made.level, other.component.level+1)
				}
			}
		}
		found = append(found, made)
	}
	for _, alert := range alerts {
		if _, seen := number[alert]; !seen {
			visit(alert)
		}
	}
	return found
}

// setStarts decides from when each rule is evaluated: an alert early enough for its `for` and `keep_firing_for` to be
// over at the window's start, and what it reads as early as its expression looks back. Rules that read their own
// output depend on all of their past.
func setStarts(alerts []*node, components []*component, window window, historyStart int64) {
	for _, alert := range alerts {
		rule := alert.rule.(*rules.AlertingRule)
		state := rule.HoldDuration() + rule.KeepFiringFor() + alert.group.Interval()
		alert.from = window.start - state.Milliseconds()
	}
	for _, component := range slices.Backward(components) {
		earliest := historyStart
		if !component.ticked || historyStart == math.MinInt64 {
			earliest = math.MaxInt64
			for _, member := range component.nodes {
				earliest = min(earliest, member.from)
			}
		}
		for _, member := range component.nodes {
			member.from = max(earliest, historyStart)
		}
		for _, member := range component.nodes {
			earliest := member.earliestRead()
			for _, other := range member.reads {
				if other.component != component {
					other.from = min(other.from, earliest-2*other.group.Interval().Milliseconds())
				}
			}
		}
	}
}

func (n *node) earliestRead() int64 {
	start := timestamp.Time(n.from).Add(-n.group.QueryOffset())
	// A copy, since preprocessing changes the expression.
	expression, err := parser.NewParser(parser.Options{}).ParseExpr(n.rule.Query().String())
	if err == nil {
		expression, err = promql.PreprocessExpr(expression, start, start, n.group.Interval())
	}
	if err != nil {
		return n.from
	}
	earliest, _ := promql.FindMinMaxTime(&parser.EvalStmt{Expr: expression, Start: start, End: start, LookbackDelta: lookback})
	return earliest
}

// ticks returns the node's first tick, and how many there are until the window ends.
func (n *node) ticks(until int64) (time.Time, int) {
	interval := n.group.Interval()
	first := n.group.EvalTimestamp(n.from * int64(time.Millisecond))
	for first.UnixMilli() < n.from {
		first = first.Add(interval)
	}
	if first.UnixMilli() > until {
		return first, 0
	}
	return first, int(timestamp.Time(until).Sub(first)/interval) + 1
}
