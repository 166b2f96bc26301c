/* How values are written, on a terminal and in the page. */

/* Three significant digits, thousands with a comma. */
export function digits(n) {
    if (n === undefined) return '–';
    if (n >= 999.5) return Math.round(n).toLocaleString('en-US');
    if (n >= 100) return n.toFixed(0);
    if (n >= 10) return n.toFixed(1);
    return n.toFixed(2);
}

const withUnit = (n, unit) => (unit === '×' ? `${n} ×` : `${n} ${unit}`);

export function target(row) {
    if (row.most !== undefined) return `≤ ${withUnit(row.most, row.unit)}`;
    if (row.least !== undefined)
        return `≥ ${withUnit(row.least.toLocaleString('en-US'), row.unit)}`;
    return '';
}

/* The median, and between what the rounds lay. */
export function numbers(row, found) {
    if (found.n === 0) return '–';
    const spread =
        found.n > 1 ? ` (${digits(found.min)}–${digits(found.max)})` : '';
    return withUnit(digits(found.median), row.unit) + spread;
}
