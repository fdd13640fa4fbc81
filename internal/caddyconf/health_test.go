package caddyconf

import (
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/omflow/booster/internal/health"
)

func TestHealthConfig(t *testing.T) {
	none := (*Health)(nil).Config(false)
	if none.Live != nil || none.Ready != nil {
		t.Errorf("without a block another server is asked %+v", none)
	}
	if none.Interval != health.DefaultInterval || none.Timeout != health.DefaultTimeout || none.Fall != health.DefaultFall || none.Rise != health.DefaultRise {
		t.Errorf("the defaults are %+v", none)
	}
	ours := (*Health)(nil).Config(true)
	if ours.Live == nil || ours.Ready == nil || ours.Live.Judge == nil || ours.Ready.Judge == nil {
		t.Fatalf("an OMFLOW Server is asked %+v", ours)
	}
	h := &Health{
		Live: "/live", Ready: "/ready", ReadyExpect: "well", Interval: caddy.Duration(time.Second), Timeout: caddy.Duration(time.Minute), Fall: 7, Rise: 9,
	}
	cfg := h.Config(true)
	if cfg.Live.URI != "/live" || cfg.Live.Judge != nil || cfg.Ready.URI != "/ready" || cfg.Ready.Expect != "well" || cfg.Ready.Judge != nil {
		t.Errorf("with paths of its own an OMFLOW Server is asked %+v, %+v", cfg.Live, cfg.Ready)
	}
	if cfg.Interval != time.Second || cfg.Timeout != time.Minute || cfg.Fall != 7 || cfg.Rise != 9 {
		t.Errorf("the settings became %+v", cfg)
	}
	if cfg := (&Health{Live: "/live"}).Config(true); cfg.Ready == nil || cfg.Ready.Judge == nil {
		t.Error("another live path took OMFLOW's ready check away")
	}
}

func TestHealthValidate(t *testing.T) {
	for _, tt := range []struct {
		h        *Health
		isOMFLOW bool
		want     string
	}{
		{nil, false, ""},
		{nil, true, ""},
		{&Health{}, false, ""},
		{&Health{}, true, ""},
		{&Health{Fall: 1000, Rise: 1, Interval: caddy.Duration(minTime)}, true, ""},
		{&Health{Live: "/", ReadyExpect: "well"}, true, "ready_expect without ready"},
		{&Health{Fall: -1}, true, "fall -1: write a number from 1 to 1000"},
		{&Health{Rise: 1001}, false, "rise 1001: write a number"},
		{&Health{Interval: -1}, false, "interval -1ns: write a duration"},
		{&Health{Timeout: -1}, true, "timeout -1ns: write a duration"},
		{&Health{Interval: 1}, true, "10ms at least"},
		{&Health{Live: "live"}, true, "must begin with a slash"},
		{&Health{Ready: "/a b"}, false, "must not hold spaces"},
	} {
		err := tt.h.Validate(tt.isOMFLOW)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v, want %q", tt.h, err, tt.want)
		}
	}
}
