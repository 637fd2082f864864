/** The page's whole style sheet: light and dark, screen and print, no external resource. */
export const pageStyle = `
:root { color-scheme: light dark; --back: #f6f7f9; --card: #fff; --text: #1b2330; --quiet: #5a6577; --line: #dfe3ea; --a: #1d5fd1; --b: #b45309; --mark: #be123c; --hit: 37 99 235; --miss: 220 38 38; }
@media (prefers-color-scheme: dark) { :root { --back: #10141b; --card: #181e28; --text: #e6eaf1; --quiet: #9aa6b8; --line: #2c3543; --a: #7aa7ff; --b: #f0a648; --mark: #ff7a93; --hit: 96 150 255; --miss: 248 113 113; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--text); font: 15px/1.5 system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif; }
main { max-width: 1240px; margin: 0 auto; padding: 32px 20px 48px; }
h1 { margin: 0 0 4px; font-size: 27px; line-height: 1.25; letter-spacing: -0.01em; overflow-wrap: anywhere; }
h2 { margin: 40px 0 12px; font-size: 19px; }
h3 { margin: 0 0 8px; font-size: 15px; }
p { margin: 0; }
.lead { color: var(--quiet); max-width: 75ch; }
.tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(180px, 1fr)); gap: 12px; margin: 24px 0 0; padding: 0; list-style: none; }
.tiles li, figure { background: var(--card); border: 1px solid var(--line); border-radius: 10px; }
.tiles li { padding: 14px 16px; }
.tiles .name { color: var(--quiet); font-size: 13px; }
.tiles .value { display: block; font-size: 26px; font-weight: 600; line-height: 1.3; font-variant-numeric: tabular-nums; }
.better { opacity: 0.7; }
.tiles .range { color: var(--quiet); font-size: 13px; font-variant-numeric: tabular-nums; }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 360px), 1fr)); gap: 12px; align-items: start; }
figure { margin: 0; padding: 16px 18px; min-width: 0; }
figure.wide { grid-column: 1 / -1; }
figcaption { color: var(--quiet); font-size: 13px; text-align: left; }
figcaption { margin-top: 8px; max-width: 90ch; }
svg { display: block; width: 100%; height: auto; max-width: 620px; margin: 0 auto; overflow: visible; }
svg text { fill: var(--quiet); font-size: 11px; font-variant-numeric: tabular-nums; }
svg text.axis { font-size: 12px; }
svg .grid { stroke: var(--line); stroke-width: 1; }
svg .reference { stroke: var(--quiet); stroke-width: 1.2; stroke-dasharray: 4 4; }
svg .series { fill: none; stroke-width: 2.2; stroke-linejoin: round; }
svg .series.thin { stroke-width: 1.2; }
svg .series.a { stroke: var(--a); } svg .series.b { stroke: var(--b); stroke-dasharray: 6 3; }
svg .dot.a { fill: var(--a); } svg .dot.b { fill: var(--b); } svg .dot.faint { opacity: 0.45; }
svg .mark { fill: var(--card); stroke: var(--mark); stroke-width: 2.5; }
svg .whisker { stroke: var(--a); stroke-width: 2; opacity: 0.55; stroke-linecap: round; }
svg .bar { fill: var(--a); opacity: 0.75; }
svg.inline { width: 160px; height: 18px; margin: 0; }
svg.inline .reference { stroke-dasharray: none; opacity: 0.6; }
.legend { display: flex; align-items: center; gap: 8px; color: var(--quiet); font-size: 13px; }
.key { width: 22px; border-top: 3px solid var(--a); } .key.b { border-top: 3px dashed var(--b); margin-left: 10px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
th, td { padding: 5px 10px 5px 0; text-align: left; vertical-align: middle; }
thead th, thead td { color: var(--quiet); font-weight: 500; font-size: 13px; border-bottom: 1px solid var(--line); }
tbody th { font-weight: 500; overflow-wrap: anywhere; max-width: 22em; }
tbody tr + tr > * { border-top: 1px solid var(--line); }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.quiet { color: var(--quiet); } .strong { font-weight: 600; }
td.wide { width: 55%; min-width: 140px; } td.share { width: 14%; min-width: 70px; } td.plot { width: 170px; }
.track { position: relative; display: block; height: 12px; border-radius: 3px; background: color-mix(in srgb, var(--line) 55%, transparent); }
.fill { display: block; height: 100%; border-radius: 3px; background: var(--a); } .fill.quiet { background: var(--quiet); opacity: 0.6; }
.spread { position: absolute; top: 5px; height: 2px; left: var(--low); width: calc(var(--high) - var(--low)); background: var(--text); }
.matrix { width: auto; margin: 0 auto; }
.matrix th, .matrix td { border: 1px solid var(--card); padding: 8px 12px; text-align: center; }
.matrix tbody td { font-variant-numeric: tabular-nums; min-width: 84px; }
.matrix td.hit { background: rgb(var(--hit) / calc(0.06 + 0.5 * var(--share))); }
.matrix td.miss { background: rgb(var(--miss) / calc(0.04 + 0.8 * var(--share))); }
.matrix small { display: block; color: var(--quiet); }
.matrix.dense th, .matrix.dense td { padding: 3px 5px; font-size: 12px; min-width: 0; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 20px; margin: 0; font-size: 14px; }
dt { color: var(--quiet); } dd { margin: 0; overflow-wrap: anywhere; }
@media (max-width: 640px) { .bars tbody th { min-width: 7em; } td.wide { width: 30%; min-width: 70px; } }
@media print { body { background: #fff; } figure, .tiles li { break-inside: avoid; } }
`;
