/*
 * A bar chart as SVG: panels below one another, each with bars on a scale of
 * its own.  Readable on a light and on a dark page.
 */

import { digits } from './words.mjs';

const WIDTH = 720;
const LABEL = 190; /* to the left of the bars */
const VALUE = 60; /* to the right of the longest */
const BAR = 18;
const STEP = 24;
const HEAD = 30;
const GAP = 18;

const STYLE = `
text { font: 13px sans-serif; fill: #222 }
.title { font-weight: bold }
.small { font-size: 11px; fill: #666 }
.label { text-anchor: end }
.ours { fill: #1769aa }
.peer { fill: #9aa5ad }
@media (prefers-color-scheme: dark) {
  text { fill: #ddd }
  .small { fill: #999 }
  .ours { fill: #5ab0f0 }
  .peer { fill: #6b757d }
}`;

function escape(text) {
    return text.replace(/&/g, '&amp;').replace(/</g, '&lt;');
}

function panel([title, all], y) {
    const bars = all.filter((b) => b.value !== undefined);
    const most = Math.max(...bars.map((b) => b.value));
    const scale = (WIDTH - LABEL - VALUE) / most;
    const lines = [`<text class="title" x="8" y="${y + 18}">${title}</text>`];
    bars.forEach((b, i) => {
        const at = y + HEAD + i * STEP;
        const width = Math.max(1, b.value * scale).toFixed(1);
        lines.push(
            `<text class="label" x="${LABEL - 8}" y="${at + 14}">` +
                `${escape(b.name)}</text>`,
            `<rect class="${b.isOurs ? 'ours' : 'peer'}" x="${LABEL}"` +
                ` y="${at}" width="${width}" height="${BAR}"/>`,
            `<text x="${(LABEL + Number(width) + 6).toFixed(1)}"` +
                ` y="${at + 14}">${digits(b.value)}</text>`,
        );
    });
    return { lines, bottom: y + HEAD + bars.length * STEP + GAP };
}

/* panels: [title, [{ name, value, isOurs }]]; a bar without a value, and a
 * panel without bars, is left out. */
export function chart(panels, date) {
    const lines = [];
    let y = 0;
    for (const p of panels) {
        if (!p[1].some((b) => b.value !== undefined)) continue;
        const drawn = panel(p, y);
        lines.push(...drawn.lines);
        y = drawn.bottom;
    }
    lines.push(
        `<text class="small" x="8" y="${y + 6}">Shorter is better.` +
            ` Measured side by side, ${date}.</text>`,
    );
    return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y + 18}" \
width="${WIDTH}" height="${y + 18}" role="img" \
aria-label="CPU a message and memory a session, doab and others">
<style>${STYLE}
</style>
${lines.join('\n')}
</svg>
`;
}
