"""Tests of traces, metrics, alert rules, dashboard and runbook."""
