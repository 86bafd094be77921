package main

import (
	"context"
	"slices"
	"sort"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/util/annotations"
)

// given is a series as a scenario has it: samples at equal steps, of `values`, or of a counter that rises by `each`
// with every sample until the scenario's end.
type given struct {
	Labels map[string]string `json:"labels"`
	Start  float64           `json:"start"`
	Step   float64           `json:"step"`
	Values []float64         `json:"values"`
	Each   float64           `json:"each"`
}

func (g given) series(end int64) *series {
	made := &series{labels: labels.FromMap(g.Labels), start: milliseconds(g.Start), step: milliseconds(g.Step), values: g.Values}
	made.each, made.count = g.Each, len(g.Values)
	if g.Values == nil {
		made.count = int((end-made.start)/made.step) + 1
	}
	return made
}

// series is calculated where it can be, so that millions of samples take no memory.
type series struct {
	labels      labels.Labels
	times       []int64 // nil where samples have equal steps
	start, step int64
	values      []float64 // nil for first + index * each
	first, each float64
	count       int
}

func (s *series) time(index int) int64 {
	if s.times != nil {
		return s.times[index]
	}
	return s.start + int64(index)*s.step
}

func (s *series) value(index int) float64 {
	if s.values != nil {
		return s.values[min(index, len(s.values)-1)] // a scrape after the last value finds that again
	}
	return s.first + float64(index)*s.each
}

// from returns the index of the first sample at or after a time; there may be none.
func (s *series) from(t int64) int {
	if s.times != nil {
		return sort.Search(len(s.times), func(index int) bool { return s.times[index] >= t })
	}
	return min(s.count, int(max(0, (t-s.start+s.step-1)/s.step)))
}

func (s *series) Labels() labels.Labels                        { return s.labels }
func (s *series) Iterator(chunkenc.Iterator) chunkenc.Iterator { return &samplesOf{series: s, at: -1} }

type samplesOf struct {
	*series
	at int
}

func (i *samplesOf) here() chunkenc.ValueType {
	if i.at < i.count {
		return chunkenc.ValFloat
	}
	return chunkenc.ValNone
}

func (i *samplesOf) Next() chunkenc.ValueType {
	i.at = min(i.at+1, i.count)
	return i.here()
}

func (i *samplesOf) Seek(t int64) chunkenc.ValueType {
	i.at = max(i.at, i.from(t))
	return i.here()
}

func (i *samplesOf) At() (int64, float64) { return i.time(i.at), i.value(i.at) }
func (i *samplesOf) AtT() int64           { return i.time(i.at) }
func (*samplesOf) AtST() int64            { return 0 }
func (*samplesOf) Err() error             { return nil }
func (*samplesOf) AtHistogram(*histogram.Histogram) (int64, *histogram.Histogram) {
	panic("no series here has histograms")
}

func (*samplesOf) AtFloatHistogram(*histogram.FloatHistogram) (int64, *histogram.FloatHistogram) {
	panic("no series here has histograms")
}

// store holds series, and finds them by the labels that a selector names.
type store struct {
	every    []*series
	known    map[string]*series
	postings map[labels.Label][]*series
}

func newStore() *store {
	return &store{known: map[string]*series{}, postings: map[labels.Label][]*series{}}
}

// add keeps a series, and says whether it was new.
func (s *store) add(one *series) bool {
	key := one.labels.String()
	if s.known[key] != nil {
		return false
	}
	s.known[key] = one
	s.every = append(s.every, one)
	one.labels.Range(func(label labels.Label) { s.postings[label] = append(s.postings[label], one) })
	return true
}

func (s *store) Querier(int64, int64) (storage.Querier, error) { return &querier{store: s}, nil }

type querier struct{ store *store }

func (*querier) Close() error { return nil }

func (*querier) LabelValues(context.Context, string, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, nil
}

func (*querier) LabelNames(context.Context, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, nil
}

func (q *querier) Select(_ context.Context, sorted bool, _ *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	candidates := q.store.every
	for _, matcher := range matchers {
		if matcher.Type != labels.MatchEqual || matcher.Value == "" {
			continue
		}
		if named := q.store.postings[labels.Label{Name: matcher.Name, Value: matcher.Value}]; len(named) < len(candidates) {
			candidates = named
		}
	}
	set := &seriesSet{at: -1}
	for _, one := range candidates {
		if !slices.ContainsFunc(matchers, func(m *labels.Matcher) bool { return !m.Matches(one.labels.Get(m.Name)) }) {
			set.series = append(set.series, one)
		}
	}
	if sorted {
		slices.SortFunc(set.series, func(a, b *series) int { return labels.Compare(a.labels, b.labels) })
	}
	return set
}

type seriesSet struct {
	series []*series
	at     int
}

func (s *seriesSet) Next() bool                      { s.at++; return s.at < len(s.series) }
func (s *seriesSet) At() storage.Series              { return s.series[s.at] }
func (*seriesSet) Err() error                        { return nil }
func (*seriesSet) Warnings() annotations.Annotations { return nil }
