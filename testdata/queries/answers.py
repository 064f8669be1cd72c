#!/usr/bin/env python3
"""Answers the questions of this folder from the changes themselves, without Regent: answers.py CHANGES.ndjson.gz FOLDER

It replays the file commit by commit and writes each answer to NAME.want, as CSV, and digests of the state at ten times
to state.want. The test holds what Regent answers against them.
"""
import csv, gzip, hashlib, itertools, json, sys
from collections import Counter, defaultdict
from datetime import datetime, timezone

WIDE = {"Namespace", "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "PersistentVolume", "StorageClass"}


def name(o, default):
    if not isinstance(o, dict) or not o.get("kind") or not isinstance(o.get("metadata"), dict) or not o["metadata"].get("name"):
        return None
    if not isinstance(o["metadata"].get("namespace") or "", str):
        return None  # one file says 3, which Kubernetes would refuse
    api = o.get("apiVersion") or ""
    group = api.split("/")[0].split(".")[0] if "/" in api else "core"
    typ = "Kubernetes::%s::%s" % (group[0].upper() + group[1:].replace("-", ""), o["kind"])
    n = o["metadata"]["name"]
    return (typ, n) if o["kind"] in WIDE else (typ, "%s/%s" % (o["metadata"].get("namespace") or default, n))


def stamp(seconds):
    return datetime.fromtimestamp(seconds, timezone.utc)


def replay(path):
    """Yields (time, actor, action, key, object or None) for every object that a commit touched."""
    where = {}
    bodies = defaultdict(dict)
    lines = (json.loads(l) for l in gzip.open(path))
    for _, commit in itertools.groupby(lines, key=lambda c: c["commit"]):
        commit = list(commit)
        before, wrote = {}, {}
        for c in commit:
            now = {}
            if c["change"] != "D":
                for o in c["objects"] or []:
                    k = name(o, c["namespace"])
                    if k:
                        now[k] = o
            for k in set(where.get(c["path"], ())) | set(now):
                before.setdefault(k, bool(bodies[k]))
                bodies[k].pop(c["path"], None)
            for k, o in now.items():
                bodies[k][c["path"]] = o
            where[c["path"]] = list(now)
            for k, o in now.items():
                wrote[k] = (c["path"], o)
        for k in sorted(before, key=lambda k: k[0] + k[1]):
            if not bodies[k]:
                if before[k]:
                    yield commit[0]["time"], commit[0]["actor"], "delete", k, None
            elif k in wrote and wrote[k][0] in bodies[k]:
                yield commit[0]["time"], commit[0]["actor"], "update" if before[k] else "create", k, wrote[k][1]


def owned(o):
    a = o["metadata"].get("annotations") or {}
    return any(k.endswith("/owner") and isinstance(v, str) and "@" in v for k, v in a.items())


def main(path, folder):
    changes = list(replay(path))
    NS = "Kubernetes::Core::Namespace"
    versions = defaultdict(list)  # key -> [(time, object or None)] where something changed
    flips = []  # (time, namespace, opened, actor)
    failing = {}
    for t, actor, action, k, o in changes:
        v = versions[k]
        if not v or v[-1][1] != o:
            v.append((t, o))
        if k[0] == NS:
            bad = o is not None and not owned(o)
            if bad != failing.get(k[1], False):
                failing[k[1]] = bad
                flips.append((t, k[1], bad, actor))

    def at(text):
        limit = datetime.fromisoformat(text).replace(tzinfo=timezone.utc).timestamp()
        out = {}
        for k, v in versions.items():
            state = [o for t, o in v if t <= limit]
            if state and state[-1] is not None:
                out[k] = state[-1]
        return out

    def write(name, header, rows):
        with open("%s/%s.want" % (folder, name), "w", newline="") as f:
            w = csv.writer(f, lineterminator="\n")
            w.writerow(header)
            w.writerows(rows)

    def top(counter, n):
        return sorted(counter.items(), key=lambda x: (-x[1], x[0]))[:n]

    def day(t):
        return stamp(t).strftime("%Y-%m-%d")

    busy = top(Counter(a for _, a, *_ in changes), 1)[0][0]
    write("01-top-actors", ["actor_id", "n"], top(Counter(a for _, a, *_ in changes), 10))
    write("02-by-actor", ["action", "n"], sorted(Counter("k8s:" + x for _, a, x, *_ in changes if a == busy).items()))
    some = "abundant-namespace-dev"
    write("03-by-resource", ["day", "action", "actor_id"], [(day(t), "k8s:" + x, a) for t, a, x, k, _ in changes if k == (NS, some)])
    write("04-by-day", ["resource_type", "action", "n"],
          sorted((r, x, n) for (r, x), n in Counter((k[0], "k8s:" + x) for t, _, x, k, _ in changes if day(t) == "2022-03-01").items()))
    write("05-busiest-days", ["day", "n"], top(Counter(day(t) for t, *_ in changes), 5))
    write("06-per-year", ["year", "creates", "updates", "deletes"], [
        (y, c["create"], c["update"], c["delete"]) for y, c in sorted(
            (y, Counter(x for t, _, x, *_ in changes if stamp(t).year == y)) for y in {stamp(t).year for t, *_ in changes})])
    write("07-deletions-by-type", ["resource_type", "n"], top(Counter(k[0] for _, _, x, k, _ in changes if x == "delete"), 10))
    now = {k: v[-1][1] for k, v in versions.items() if v[-1][1] is not None}
    write("08-types-now", ["resource_type", "n"], top(Counter(k[0] for k in now), 10))
    then = at("2023-01-01")
    write("09-types-then", ["resource_type", "n"], top(Counter(k[0] for k in then), 10))
    write("10-most-versions", ["resource_type", "resource_id", "n"], [(k[0], k[1], n) for k, n in sorted(((k, len(v)) for k, v in versions.items()), key=lambda x: (-x[1], x[0]))[:10]])
    kept = set(then) & set(now)
    write("11-since-then", ["came", "went", "changed", "same"], [(len(set(now) - set(then)), len(set(then) - set(now)),
          sum(then[k] != now[k] for k in kept), sum(then[k] == now[k] for k in kept))])
    bad = {k[1] for k, o in now.items() if k[0] == NS and not owned(o)}
    spaces = {k[1] for k in now if k[0] == NS}
    write("12-compliance-now", ["outcome", "n"], sorted([("COMPLIANT", len(spaces) - len(bad)), ("NON_COMPLIANT", len(bad)), ("NOT_APPLICABLE", len({k[1] for k in versions if k[0] == NS}) - len(spaces))]))
    spaces_then = {k[1]: o for k, o in then.items() if k[0] == NS}
    bad_then = {n for n, o in spaces_then.items() if not owned(o)}
    write("13-compliance-then", ["outcome", "n"], sorted([("COMPLIANT", len(spaces_then) - len(bad_then)), ("NON_COMPLIANT", len(bad_then))]))
    write("14-failing-now", ["resource_id", "since"], sorted((n, day(max(t for t, x, b, _ in flips if x == n and b))) for n in bad)[:20])
    last = {}
    for t, a, _, k, _ in changes:
        if k[0] == NS:
            last[k[1]] = (t, a)
    write("15-last-changed-by", ["resource_id", "actor_id", "day"], sorted((n, last[n][1], day(last[n][0])) for n in bad)[:20])
    write("16-top-changers-of-failing", ["actor_id", "n"], top(Counter(a for _, a, _, k, _ in changes if k[0] == NS and k[1] in bad), 10))
    write("17-who-broke-it", ["actor_id", "n"], top(Counter(a for _, _, b, a in flips if b), 10))
    write("18-flips-per-year", ["year", "opened", "resolved"], [(y, sum(stamp(t).year == y and b for t, _, b, _ in flips), sum(stamp(t).year == y and not b for t, _, b, _ in flips))
          for y in sorted({stamp(t).year for t, *_ in flips})])
    write("19-longest-failing", ["resource_id", "days"], sorted(((n, (u - t) // 86400) for t, n, u in spans(flips)), key=lambda x: (-x[1], x[0]))[:10])
    broke = {(n, a) for _, n, b, a in flips if b}
    write("20-mended-by-another", ["same", "another"], [(sum((n, a) in broke for _, n, b, a in flips if not b), sum((n, a) not in broke for _, n, b, a in flips if not b))])

    ends = [t for t, *_ in changes]
    times = [stamp(ends[0] + (ends[-1] - ends[0]) * i // 10) for i in range(1, 11)]
    rows = []
    for time in times:
        state = at(time.strftime("%Y-%m-%dT%H:%M:%S"))
        text = "".join("%s %s %s\n" % (k[0], k[1], json.dumps(state[k], sort_keys=True, separators=(",", ":"), ensure_ascii=False)) for k in sorted(state))
        rows.append((time.strftime("%Y-%m-%dT%H:%M:%SZ"), len(state), hashlib.sha256(text.encode()).hexdigest()))
    write("state", ["time", "resources", "sha256"], rows)


def spans(flips):
    """Times in which a namespace failed, from opening to resolution."""
    since = {}
    for t, n, bad, _ in flips:
        if bad:
            since[n] = t
        else:
            yield since.pop(n), n, t


main(*sys.argv[1:])
