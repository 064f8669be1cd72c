// Package crontab reads cron tables: /etc/crontab and the files of cron.d, users' own tables, and
// anacrontab.
//
// Both parsers return what they could read beside an error that names the lines they could not.
// Schedules are kept as they are written; whether cron would take them is checked only as far as
// telling them from other lines needs.
package crontab
