export function minutesPerPage(minutes: number | null, pages: number): number {
  return minutes === null ? 0 : minutes / (pages + 1);
}
