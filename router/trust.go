package router

// Trust says whom the door believes what they say of a visitor: nobody, if it
// is zero. It is the machine's, not a service's.
type Trust struct {
	// Proxies are the addresses and networks of the proxies in front of us.
	// "cloudflare" stands for Cloudflare's.
	Proxies []string `json:"proxies,omitempty"`
	// Header is where they say who the visitor is: X-Forwarded-For (if
	// empty) or Forwarded. It has to be the one that they write themselves:
	// the other is as the visitor sent it. Cloudflare's own
	// CF-Connecting-IP needs no setting.
	Header string `json:"header,omitempty"`
	// ProxyProtocol are the addresses and networks of those who begin each
	// connection with a PROXY protocol header, version 1 or 2. From them a
	// connection without one is refused.
	ProxyProtocol []string `json:"proxy_protocol,omitempty"`
}
