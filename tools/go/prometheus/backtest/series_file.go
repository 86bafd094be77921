package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/common/promslog"

	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/tsdb"
)

// seriesFile is a history that is written out: each series in the notation of promtool's rule tests, which has gaps
// and staleness markers. A value is one interval after the value before it. While Prometheus is down, from the first
// time of each of Down until the second, no rule is evaluated. Times are Unix seconds.
type seriesFile struct {
	Start       float64      `json:"start"`
	Interval    string       `json:"interval"`
	Down        [][2]float64 `json:"down"`
	InputSeries []struct {
		Series string `json:"series"`
		Values string `json:"values"`
	} `json:"input_series"`
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

func openSeriesFile(ctx context.Context, path, scratch string) (*history, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var written seriesFile
	if err := json.Unmarshal(text, &written); err != nil {
		return nil, fmt.Errorf("%s: not a file of series: %w", path, err)
	}
	interval, err := time.ParseDuration(written.Interval)
	if err != nil || interval <= 0 {
		return nil, fmt.Errorf("%s: interval: found %q; allowed: a duration such as 30s", path, written.Interval)
	}
	database, err := openScratch(filepath.Join(scratch, "series"))
	if err != nil {
		return nil, err
	}
	expressions := parser.NewParser(parser.Options{})
	start := int64(math.Round(written.Start * 1000))
	end := start
	for _, one := range written.InputSeries {
		series, values, err := expressions.ParseSeriesDesc(one.Series + " " + one.Values)
		if err != nil {
			return nil, fmt.Errorf("%s: series %s: %w", path, one.Series, err)
		}
		appender := database.Appender(ctx)
		for number, sample := range values {
			if sample.Omitted {
				continue
			}
			at := start + int64(number)*interval.Milliseconds()
			end = max(end, at)
			if _, err := appender.Append(0, series, at, sample.Value); err != nil {
				return nil, fmt.Errorf("%s: series %s: %w", path, one.Series, err)
			}
		}
		if err := appender.Commit(); err != nil {
			return nil, fmt.Errorf("%s: series %s: %w", path, one.Series, err)
		}
	}
	return &history{Queryable: database, start: start, end: end, down: written.Down}, nil
}

// openScratch returns an empty database that takes samples of any time, of one series after the other.
func openScratch(folder string) (*tsdb.DB, error) {
	options := tsdb.DefaultOptions()
	options.WALSegmentSize = -1 // no write-ahead log: nobody reads the database after this process
	options.MinBlockDuration, options.MaxBlockDuration = scratchBlock.Milliseconds(), scratchBlock.Milliseconds()
	options.RetentionDuration = 0
	database, err := tsdb.Open(folder, promslog.NewNopLogger(), nil, options, nil)
	if err != nil {
		return nil, err
	}
	database.DisableCompactions()
	return database, nil
}
