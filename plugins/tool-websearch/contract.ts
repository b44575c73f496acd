export interface Found { title: string; url: string; /** What of the page fits the query; may be empty. */ text: string }

/** A search engine. Its row is there as long as it can be asked: the tool comes and goes with the last of them. */
export interface SearchEngine {
  id: string
  /** At most `limit`, the best first. Bounded by itself in bytes; the tool bounds it in time. */
  search(query: string, options: { limit: number; signal: AbortSignal }): Promise<Found[]>
}

declare module "graft" {
  interface Slots { searchEngine: SearchEngine }
}
