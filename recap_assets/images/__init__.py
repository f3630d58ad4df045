"""Pictures in webdataset tars: finding shards, reading and writing them, decoding safely, and the
index that keeps one row and one byte range per picture, so that it is read again without a scan."""
