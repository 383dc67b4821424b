/** The look of the report: system fonts, two colour schemes, and a first page that prints as one. */
export const style = `
:root { color-scheme: light dark; --ink: #1c2430; --soft: #5a6675; --paper: #fff; --line: #d5dbe3; --wash: #f4f6f9;
  --good: #11703a; --open: #8a5a00; --bad: #b3261e; --link: #1d5fa8;
  --h4: #bfe3cb; --h3: #dcefc9; --h2: #f7edb5; --h1: #fad7b0; --h0: #f6c2bc }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaf0; --soft: #9fabba; --paper: #14181e; --line: #333c48;
  --wash: #1c222a; --good: #58c483; --open: #e0ac4a; --bad: #ff8a80; --link: #8cbcf2;
  --h4: #1c4a2e; --h3: #38481f; --h2: #544a14; --h1: #5f3a14; --h0: #66271f } }
* { box-sizing: border-box }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif }
main { max-width: 62rem; margin: 0 auto; padding: 1.5rem }
h1 { font-size: 1.6rem; margin: 0 0 .3rem; overflow-wrap: anywhere }
h2 { font-size: 1.15rem; margin: 2rem 0 .6rem; border-bottom: 1px solid var(--line) }
h3 { font-size: 1rem; margin: 1.3rem 0 .3rem } h2, h3 { overflow-wrap: anywhere }
p { margin: .4rem 0 } .soft, figcaption { color: var(--soft) } a { color: var(--link) }
.verdict { border-left: .4rem solid var(--open); background: var(--wash); padding: .7rem 1rem; margin: 1rem 0 }
.verdict strong { font-size: 1.25rem; color: var(--open) }
.verdict.good { border-color: var(--good) } .verdict.good strong { color: var(--good) }
.verdict.bad { border-color: var(--bad) } .verdict.bad strong { color: var(--bad) }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr)); gap: 1rem }
.card { border: 1px solid var(--line); border-top: .4rem solid var(--open); background: var(--wash); padding: .8rem 1rem; min-width: 0 }
.card.good { border-top-color: var(--good) } .card.bad { border-top-color: var(--bad) }
.card h3 { margin: 0; overflow-wrap: anywhere } .card .word { margin: 0 } .card .word a { font-size: 1.5rem; font-weight: 700; color: var(--open) }
.card.good .word a { color: var(--good) } .card.bad .word a { color: var(--bad) }
.card dl { grid-template-columns: minmax(0, 1fr); gap: 0 } .card dt { margin-top: .45rem } .card dd a { text-decoration: underline dotted } .card .word a { text-decoration: none } .card a:hover { text-decoration: underline }
.card dd a { color: var(--ink); overflow-wrap: anywhere }
.heatmap { width: auto } .heat { text-align: right; font-variant-numeric: tabular-nums; print-color-adjust: exact; -webkit-print-color-adjust: exact }
.heat.h4 { background: var(--h4) } .heat.h3 { background: var(--h3) } .heat.h2 { background: var(--h2) } .heat.h1 { background: var(--h1) } .heat.h0 { background: var(--h0) }
.legend .heat { color: var(--ink); padding: .1rem .5rem; display: inline-block }
.wide { overflow-x: auto } .wide:focus-visible { outline: 2px solid var(--link) } table { border-collapse: collapse; width: 100%; margin: .4rem 0 1rem }
caption { text-align: left; color: var(--soft); padding-bottom: .2rem }
th, td { text-align: left; vertical-align: top; padding: .28rem .6rem; border-bottom: 1px solid var(--line) }
thead th { font-weight: 600; background: var(--wash) } .n { text-align: right; font-variant-numeric: tabular-nums }
code, pre { font: 13px/1.45 ui-monospace, monospace } code { overflow-wrap: anywhere }
pre { background: var(--wash); border: 1px solid var(--line); padding: .5rem .7rem; margin: .3rem 0; white-space: pre-wrap;
  overflow-wrap: anywhere; max-height: 26rem; overflow-y: auto }
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .15rem 1rem; margin: .5rem 0 } dt { color: var(--soft) } dd { margin: 0; overflow-wrap: anywhere }
.answers { display: grid; grid-template-columns: 1fr 1fr; gap: .8rem } .answers > div { min-width: 0 }
figure { margin: .5rem 0 } .worse { color: var(--bad); font-weight: 600 } .figure { width: 100%; max-width: 40rem; height: auto }
.figure text { font-size: 12px; fill: var(--soft) } .figure line { stroke: var(--soft); stroke-width: 1 }
.figure .axis { stroke: var(--line) } .figure .forbidden { fill: var(--bad); opacity: .1 }
.figure .margin { stroke: var(--bad); stroke-dasharray: 4 3; stroke-width: 2 } .figure .interval { stroke-width: 4; stroke: var(--open) }
.figure .estimate { fill: var(--open) } .figure .interval.non-inferior { stroke: var(--good) } .figure .estimate.non-inferior { fill: var(--good) }
.figure .interval.worse { stroke: var(--bad) } .figure .estimate.worse { fill: var(--bad) }
:target { outline: 2px solid var(--link); outline-offset: 4px }
@media (max-width: 45rem) { .answers { grid-template-columns: minmax(0, 1fr) } main { padding: 1rem } }
@media (max-width: 30rem) { .figure { overflow: visible } .figure text { font-size: 21px } }
@media print { :root { --ink: #000; --soft: #444; --paper: #fff; --line: #bbb; --wash: #f4f4f4; --good: #0b5a2c; --open: #6b4500; --bad: #8f1d17; --link: #000;
    --h4: #d3ebda; --h3: #e6f2d8; --h2: #f8f1cc; --h1: #fae3cb; --h0: #f7d5d1 }
  body { font-size: 10.5pt } main { max-width: none; padding: 0 } a { text-decoration: none } pre { max-height: none; overflow: visible }
  .appendix { break-before: page } .case, .verdict, figure, tr { break-inside: avoid } }
`
