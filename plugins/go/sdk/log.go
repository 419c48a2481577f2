package sluice

import "fmt"

// Debug writes a line for the author to sluice's log. The host limits lines: what is too much is counted and left out.
func Debug(format string, values ...any) { hostLog(0, fmt.Sprintf(format, values...)) }

// Info writes a line for the record to sluice's log.
func Info(format string, values ...any) { hostLog(1, fmt.Sprintf(format, values...)) }

// Warn writes a line for someone to look at to sluice's log.
func Warn(format string, values ...any) { hostLog(2, fmt.Sprintf(format, values...)) }

// Error writes a line for someone to act on to sluice's log.
func Error(format string, values ...any) { hostLog(3, fmt.Sprintf(format, values...)) }

// Metric adds to a number that sluice reports for this table under name.
func Metric(name string, add float64) { hostMetric(name, add) }
