package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	config_util "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/common/promslog"
	"go.yaml.in/yaml/v2"

	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/storage/remote"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/tsdb/wlog"
)

const (
	readTimeout = 5 * time.Minute
	askTimeout  = 30 * time.Second
	lowestTime  = "prometheus_tsdb_lowest_timestamp_seconds"
)

// history is what a Prometheus has stored. start and end are milliseconds; start is math.MinInt64 if it is not known.
type history struct {
	storage.Queryable
	start, end     int64
	externalLabels labels.Labels
	down           [][2]float64 // when Prometheus evaluated nothing, in Unix seconds
}

// isDown says whether Prometheus was down at a time in milliseconds.
func (h *history) isDown(t int64) bool {
	return slices.ContainsFunc(h.down, func(times [2]float64) bool { return times[0] <= seconds(t) && seconds(t) < times[1] })
}

// window is the time that the report is about, in milliseconds.
type window struct{ start, end int64 }

func openHistory(ctx context.Context, source, httpConfig, scratch string) (*history, error) {
	if strings.HasPrefix(source, "http://") || strings.HasPrefix(source, "https://") {
		return openURL(ctx, source, httpConfig)
	}
	if isFile(source) {
		return openSeriesFile(ctx, source, scratch)
	}
	return openFolder(source, scratch)
}

// window returns the time to evaluate, which the history has to cover.
func (h *history) window(given arguments) (window, error) {
	end := h.end
	if given.end != 0 {
		end = int64(math.Round(given.end * 1000))
	}
	if end > h.end {
		return window{}, fmt.Errorf("the history ends at %s; asked for is %s. Ask for an end within it", at(h.end), at(end))
	}
	start := end - given.duration.Milliseconds()
	if start < h.start {
		if !given.wholeHistory || h.start >= end {
			return window{}, fmt.Errorf(
				"the history begins at %s; asked for is %s to %s. Ask for at most %s, or for a Prometheus with more retention",
				at(h.start), at(start), at(end), time.Duration(max(0, end-h.start)*int64(time.Millisecond)).Truncate(time.Minute))
		}
		start = h.start
	}
	return window{start: start, end: end}, nil
}

func at(milliseconds int64) string {
	return time.UnixMilli(milliseconds).UTC().Format("2006-01-02 15:04:05 UTC")
}

// folder reads the blocks of a data folder and what its write-ahead log holds beyond them.
type folder []tsdb.BlockReader

func (f folder) Querier(mint, maxt int64) (storage.Querier, error) {
	var queriers []storage.Querier
	for _, block := range f {
		if meta := block.Meta(); meta.MinTime > maxt || meta.MaxTime <= mint {
			continue
		}
		querier, err := tsdb.NewBlockQuerier(block, mint, maxt)
		if err != nil {
			return nil, err
		}
		queriers = append(queriers, querier)
	}
	return storage.NewMergeQuerier(queriers, nil, storage.ChainedSeriesMerge), nil
}

func openFolder(path, scratch string) (*history, error) {
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		return nil, fmt.Errorf("%s: found no folder of that name. Name a data folder of Prometheus, or its URL", path)
	}
	readOnly, err := tsdb.OpenDBReadOnly(path, scratch, promslog.NewNopLogger())
	if err != nil {
		return nil, err
	}
	blocks, err := readOnly.Blocks()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	start, end := int64(math.MaxInt64), int64(math.MinInt64)
	for _, block := range blocks {
		start, end = min(start, block.Meta().MinTime), max(end, block.Meta().MaxTime-1)
	}
	head, err := openWriteAheadLog(path, scratch, end+1)
	if err != nil {
		return nil, fmt.Errorf("%s: the write-ahead log cannot be read: %w", path, err)
	}
	if head != nil && head.NumSeries() > 0 {
		start, end = min(start, head.MinTime()), max(end, head.MaxTime())
		blocks = append(blocks, tsdb.NewRangeHeadWithIsolationDisabled(head, head.MinTime(), head.MaxTime()))
	}
	if len(blocks) == 0 {
		return nil, fmt.Errorf("%s: found neither blocks nor a write-ahead log. Name the folder that --storage.tsdb.path names", path)
	}
	return &history{Queryable: folder(blocks), start: start, end: end}, nil
}

// openWriteAheadLog returns the samples from minTime that are in no block yet, or nil if the folder has no log.
// It writes nothing to the folder. The head is never closed: the process ends with it.
func openWriteAheadLog(path, scratch string, minTime int64) (*tsdb.Head, error) {
	logger := promslog.NewNopLogger()
	if _, err := os.Stat(filepath.Join(path, "wal")); os.IsNotExist(err) {
		return nil, nil
	}
	log, err := wlog.Open(logger, filepath.Join(path, "wal"))
	if err != nil {
		return nil, err
	}
	options := tsdb.DefaultHeadOptions()
	options.ChunkDirRoot = filepath.Join(scratch, "head")
	if err := copyHeadChunks(filepath.Join(path, "chunks_head"), filepath.Join(options.ChunkDirRoot, "chunks_head")); err != nil {
		return nil, err
	}
	head, err := tsdb.NewHead(nil, logger, log, nil, options, tsdb.NewHeadStats())
	if err != nil {
		return nil, err
	}
	return head, head.Init(minTime)
}

// copyHeadChunks links the files, as Prometheus' own read-only access does, or copies them from another file system.
func copyHeadChunks(source, target string) error {
	if chunks.HardLinkChunkFiles(source, target) == nil {
		return nil
	}
	if err := os.RemoveAll(target); err != nil {
		return err
	}
	return os.CopyFS(target, os.DirFS(source))
}

// openURL reads by remote read, with nothing evaluated at the other end.
func openURL(ctx context.Context, address, httpConfig string) (*history, error) {
	base, err := url.Parse(strings.TrimRight(address, "/"))
	if err != nil {
		return nil, fmt.Errorf("%s: not a URL: %w", address, err)
	}
	client := config_util.HTTPClientConfig{FollowRedirects: true}
	if httpConfig != "" {
		file, _, err := config_util.LoadHTTPConfigFile(httpConfig)
		if err != nil {
			return nil, fmt.Errorf("%s: not an HTTP client configuration: %w", httpConfig, err)
		}
		client = *file
	}
	asking, err := config_util.NewClientFromConfig(client, "orion-backtest")
	if err != nil {
		return nil, err
	}
	asking.Timeout = askTimeout
	external, err := externalLabels(ctx, asking, base)
	if err != nil {
		return nil, err
	}
	start, err := lowestTimestamp(ctx, asking, base)
	if err != nil {
		return nil, err
	}
	reader, err := remote.NewReadClient("orion-backtest", &remote.ClientConfig{
		URL:              &config_util.URL{URL: base.JoinPath("api/v1/read")},
		Timeout:          model.Duration(readTimeout),
		HTTPClientConfig: client,
		ChunkedReadLimit: config.DefaultChunkedReadLimit,
	})
	if err != nil {
		return nil, err
	}
	return &history{
		Queryable:      remote.NewSampleAndChunkQueryableClient(reader, external, nil, true, nil),
		start:          start,
		end:            time.Now().UnixMilli(),
		externalLabels: external,
	}, nil
}

// externalLabels asks for the labels that remote read adds to every series, so that they are taken off again.
func externalLabels(ctx context.Context, client *http.Client, base *url.URL) (labels.Labels, error) {
	body, err := ask(ctx, client, base.JoinPath("api/v1/status/config"))
	if err != nil {
		return labels.EmptyLabels(), err
	}
	var answer struct {
		Data struct {
			YAML string `json:"yaml"`
		} `json:"data"`
	}
	var configuration struct {
		Global struct {
			ExternalLabels map[string]string `yaml:"external_labels"`
		} `yaml:"global"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return labels.EmptyLabels(), fmt.Errorf("%s: not a Prometheus: its configuration is no JSON: %w", base.Redacted(), err)
	}
	if err := yaml.Unmarshal([]byte(answer.Data.YAML), &configuration); err != nil {
		return labels.EmptyLabels(), fmt.Errorf("%s: its configuration cannot be read: %w", base.Redacted(), err)
	}
	return labels.FromMap(configuration.Global.ExternalLabels), nil
}

// lowestTimestamp returns when the stored samples begin, by the metric that Prometheus serves of itself.
func lowestTimestamp(ctx context.Context, client *http.Client, base *url.URL) (int64, error) {
	body, err := ask(ctx, client, base.JoinPath("metrics"))
	if err != nil {
		return 0, err
	}
	lines := bufio.NewScanner(strings.NewReader(string(body)))
	for lines.Scan() {
		if value, found := strings.CutPrefix(lines.Text(), lowestTime+" "); found {
			seconds, err := strconv.ParseFloat(value, 64)
			return int64(seconds * 1000), err
		}
	}
	return math.MinInt64, nil
}

func ask(ctx context.Context, client *http.Client, address *url.URL) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address.String(), nil)
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("%s: no answer: %w. Name the URL of a Prometheus that can be reached from here", address.Redacted(), err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: answered %s; a Prometheus answers 200. Name its URL, with its path prefix if it has one", address.Redacted(), response.Status)
	}
	return io.ReadAll(response.Body)
}
