// Command orion-backtest prints what alerting rules would have done over the history of a Prometheus.
//
// Prometheus' own rule engine decides: its PromQL engine evaluates every expression, and its rules.Group keeps the
// state of every alert and writes the ALERTS series that are printed. The only difference to a running Prometheus is
// that an expression's answers for many ticks come from one range query, which Prometheus defines to be equal to an
// instant query at each step.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/common/promslog"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
)

const (
	progressInterval = 500 * time.Millisecond
	parentInterval   = time.Second
)

// names is a flag that may be given several times.
type names []string

func (n *names) String() string         { return strings.Join(*n, ",") }
func (n *names) Set(value string) error { *n = append(*n, value); return nil }

type arguments struct {
	history, httpConfig string
	rules, alerts       names
	duration            time.Duration
	end                 float64
	interval            time.Duration
	wholeHistory        bool
}

// Report is the result that is printed as JSON. Times are Unix seconds.
type Report struct {
	Start        float64       `json:"start"`
	End          float64       `json:"end"`
	HistoryStart *float64      `json:"history_start"`
	Alerts       []AlertReport `json:"alerts"`
	Failures     []RuleFailure `json:"failures"`
}

// AlertReport is what one alerting rule did. FirstTick is the time of its first evaluation.
type AlertReport struct {
	Alert     string    `json:"alert"`
	File      string    `json:"file"`
	Group     string    `json:"group"`
	Index     int       `json:"index"`
	Interval  float64   `json:"interval"`
	FirstTick float64   `json:"first_tick"`
	Episodes  []Episode `json:"episodes"`
}

// RuleFailure is a rule whose evaluation failed at some ticks, as Prometheus' own would have.
type RuleFailure struct {
	Rule  string  `json:"rule"`
	Group string  `json:"group"`
	Count int     `json:"count"`
	First float64 `json:"first"`
	Error string  `json:"error"`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(endWithParent(ctx))
	if err != nil {
		message, _ := json.Marshal(map[string]string{"error": err.Error()})
		fmt.Fprintln(os.Stderr, string(message))
		os.Exit(1)
	}
}

// endWithParent cancels once the process that started this one has gone.
func endWithParent(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	parent := os.Getppid()
	go func() {
		for os.Getppid() == parent {
			time.Sleep(parentInterval)
		}
		cancel()
	}()
	return ctx
}

func parseArguments() arguments {
	var given arguments
	flag.StringVar(&given.history, "history", "", "A data folder of Prometheus, its URL, or a file of series.")
	flag.StringVar(&given.httpConfig, "http-config", "", "A file with Prometheus' HTTP client configuration, for a URL.")
	flag.Var(&given.rules, "rules", "A rule file of Prometheus; may be repeated.")
	flag.Var(&given.alerts, "alert", "The name of an alert to evaluate; may be repeated. Every alert if there is none.")
	flag.DurationVar(&given.duration, "duration", 30*24*time.Hour, "How much of the history is evaluated.")
	flag.Float64Var(&given.end, "end", 0, "Until when, in Unix seconds; the history's end if 0.")
	flag.DurationVar(&given.interval, "interval", 30*time.Second, "The evaluation interval of groups without their own.")
	flag.BoolVar(&given.wholeHistory, "or-whole-history", false, "Evaluate the whole history where it is shorter than the duration.")
	flag.Parse()
	return given
}

func run(ctx context.Context) (returned error) {
	given := parseArguments()
	scratch, err := os.MkdirTemp("", "orion-backtest-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	past, err := openHistory(ctx, given.history, given.httpConfig, scratch)
	if err != nil {
		return err
	}
	window, err := past.window(given)
	if err != nil {
		return err
	}
	expressions := parser.NewParser(parser.Options{})
	groups, err := loadGroups(given.rules, given.interval, past.externalLabels, expressions)
	if err != nil {
		return err
	}
	plan, err := newPlan(groups, given.alerts, window, past.start)
	if err != nil {
		return err
	}
	backtest, err := newBacktest(scratch, past, plan, given.interval, expressions)
	if err != nil {
		return err
	}
	defer backtest.close()
	finished := make(chan struct{})
	go backtest.printProgress(finished)
	err = backtest.run(ctx)
	close(finished)
	if ctx.Err() != nil {
		return fmt.Errorf("interrupted")
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(backtest.report(window))
}

// byBaseName loads rule files under their base names: the time of a group's ticks within its interval depends on the
// file's name, and is not to depend on the folder.
type byBaseName struct {
	parser parser.Parser
	paths  map[string]string
}

func (l byBaseName) Load(name string, ignoreUnknown bool, scheme model.ValidationScheme) (*rulefmt.RuleGroups, []error) {
	return rulefmt.ParseFile(l.paths[name], ignoreUnknown, scheme, l.parser, promslog.NewNopLogger())
}

func (l byBaseName) Parse(query string) (parser.Expr, error) { return l.parser.ParseExpr(query) }

func loadGroups(files []string, interval time.Duration, external labels.Labels, expressions parser.Parser) ([]*rules.Group, error) {
	loader := byBaseName{parser: expressions, paths: map[string]string{}}
	names := make([]string, 0, len(files))
	for _, path := range files {
		name := filepath.Base(path)
		loader.paths[name] = path
		names = append(names, name)
	}
	manager := rules.NewManager(&rules.ManagerOptions{
		Context:     context.Background(),
		Parser:      expressions,
		GroupLoader: loader,
		QueryFunc: func(context.Context, string, time.Time) (promql.Vector, error) {
			return nil, nil
		},
	})
	loaded, errs := manager.LoadGroups(interval, external, "", nil, false, names...)
	for _, err := range errs {
		return nil, err
	}
	ordered := make([]*rules.Group, 0, len(loaded))
	for _, group := range loaded {
		ordered = append(ordered, group)
	}
	return ordered, nil
}
