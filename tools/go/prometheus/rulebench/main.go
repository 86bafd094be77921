// Command orion-rule-bench measures rule files on Prometheus' own engine: the samples that they read, how long rounds
// of them take, and what they record of given series.
//
// It reads a scenario as JSON from standard input, and prints a result as JSON. tests/bench/rule_bench.py writes the
// one and reads the other.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/common/promslog"

	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
)

const (
	lookback     = 5 * time.Minute // Prometheus' default for --query.lookback-delta
	queryTimeout = time.Hour
	maxSamples   = 2_000_000_000 // nothing is refused: peers read more than Prometheus' default
)

// scenario is what is measured. Times and steps are Unix seconds and seconds.
type scenario struct {
	Mode     string   `json:"mode"`
	Rules    []string `json:"rules"`
	Interval float64  `json:"interval"` // of groups without their own
	End      float64  `json:"end"`
	History  float64  `json:"history"` // of rounds: how long there have been samples
	Rounds   int      `json:"rounds"`
	Folder   string   `json:"folder"` // of a block: where it is written
	Series   []given  `json:"series"`
	Queries  []query  `json:"queries"`
}

// query asks for the values of an expression after the rules have been evaluated.
type query struct {
	Expression string  `json:"expression"`
	Start      float64 `json:"start"`
	End        float64 `json:"end"`
	Step       float64 `json:"step"`
}

// groupCost is what one evaluation of a group takes: samples that are read, or seconds of processor time.
type groupCost struct {
	Name     string  `json:"name"`
	Interval float64 `json:"interval"`
	Rules    int     `json:"rules"`
	Samples  int64   `json:"samples"`
	Seconds  float64 `json:"seconds"`
}

// answered is the answer of a query: a list of time and value for each series, in the order of its labels.
type answered struct {
	Labels map[string]string `json:"labels"`
	Values [][2]float64      `json:"values"`
}

type result struct {
	Groups  []groupCost  `json:"groups,omitempty"`
	Answers [][]answered `json:"answers,omitempty"`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	var asked scenario
	if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil {
		return fmt.Errorf("standard input: %w", err)
	}
	expressions := parser.NewParser(parser.Options{})
	groups, err := readGroups(asked, expressions)
	if err != nil {
		return err
	}
	bench := &bench{asked: asked, groups: groups, store: newStore(), parser: expressions}
	bench.engine = promql.NewEngine(promql.EngineOpts{
		Logger:                   promslog.NewNopLogger(),
		MaxSamples:               maxSamples,
		Timeout:                  queryTimeout,
		LookbackDelta:            lookback,
		NoStepSubqueryIntervalFn: func(int64) int64 { return milliseconds(asked.Interval) },
		EnableAtModifier:         true,
		EnableNegativeOffset:     true,
		Parser:                   expressions,
	})
	for _, one := range asked.Series {
		bench.store.add(one.series(milliseconds(asked.End)))
	}
	var made result
	switch asked.Mode {
	case "samples":
		made.Groups, err = bench.samples(ctx)
	case "rounds":
		made.Groups, err = bench.rounds(ctx)
	case "history":
		made.Answers, err = bench.history(ctx)
	case "block":
		err = bench.writeBlock(ctx, asked.Folder, nil)
	default:
		err = fmt.Errorf("mode %q: allowed are samples, rounds, history and block", asked.Mode)
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(made)
}

// bench is a scenario that is being measured.
type bench struct {
	asked  scenario
	groups []group
	store  *store
	engine *promql.Engine
	parser parser.Parser
}

type group struct {
	name     string
	interval int64 // milliseconds
	rules    []rule
}

type rule struct {
	record string // empty for an alert
	labels map[string]string
	text   string
	expr   parser.Expr
}

func readGroups(asked scenario, expressions parser.Parser) ([]group, error) {
	var made []group
	for _, path := range asked.Rules {
		content, errs := rulefmt.ParseFile(path, false, model.UTF8Validation, expressions, promslog.NewNopLogger())
		for _, err := range errs {
			return nil, err
		}
		for _, read := range content.Groups {
			current := group{name: read.Name, interval: time.Duration(read.Interval).Milliseconds()}
			if current.interval == 0 {
				current.interval = milliseconds(asked.Interval)
			}
			for _, one := range read.Rules {
				expr, err := expressions.ParseExpr(one.Expr)
				if err != nil {
					return nil, err
				}
				current.rules = append(current.rules, rule{record: one.Record, labels: one.Labels, text: one.Expr, expr: expr})
			}
			made = append(made, current)
		}
	}
	return made, nil
}

func milliseconds(seconds float64) int64 { return int64(seconds*1000 + 0.5) }
func seconds(milliseconds int64) float64 { return float64(milliseconds) / 1000 }
