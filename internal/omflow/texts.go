package omflow

// text is what is said of a failure: a title for the page, and sentences that
// say what happened and what to do, which are also the API's message.
type text struct {
	title, message string
}

// texts are indexed by reason and language. They promise nothing that is not
// so: only where nothing was sent to a server do they say that a repeat is safe.
var texts = [reasons][languages]text{
	QueueFull: {
		traditionalChinese: {"系統忙碌中", "目前等候處理的請求過多，您的請求尚未執行，請稍後再試。"},
		english:            {"The system is busy", "Too many requests are waiting. Yours was not carried out; please try again in a moment."},
		japanese:           {"ただいま混み合っています", "処理待ちのリクエストが多すぎるため、このリクエストは実行されませんでした。しばらくしてからもう一度お試しください。"},
		simplifiedChinese:  {"系统繁忙", "当前等待处理的请求过多，您的请求尚未执行，请稍后再试。"},
	},
	WaitedTooLong: {
		traditionalChinese: {"等候逾時", "您的請求等候過久，尚未執行，請稍後再試。"},
		english:            {"The wait was too long", "Your request waited too long for a free server. It was not carried out; please try again in a moment."},
		japanese:           {"待ち時間が長くなりすぎました", "空きサーバーを待つ時間が上限を超えたため、リクエストは実行されませんでした。しばらくしてからもう一度お試しください。"},
		simplifiedChinese:  {"等待超时", "您的请求等待过久，尚未执行，请稍后再试。"},
	},
	NoServer: {
		traditionalChinese: {"服務暫時無法使用", "目前沒有可用的伺服器，您的請求尚未執行，請稍後再試。"},
		english:            {"The service is unavailable at the moment", "No server can take requests right now. Yours was not carried out; please try again in a moment."},
		japanese:           {"サービスを一時的にご利用いただけません", "現在リクエストを受け付けられるサーバーがありません。リクエストは実行されていません。しばらくしてからもう一度お試しください。"},
		simplifiedChinese:  {"服务暂时不可用", "目前没有可用的服务器，您的请求尚未执行，请稍后再试。"},
	},
	Maintenance: {
		traditionalChinese: {"系統維護中", "系統正在維護，您的請求尚未執行，請於維護結束後再試。"},
		english:            {"Under maintenance", "The system is being maintained. Your request was not carried out; please try again when the maintenance is over."},
		japanese:           {"メンテナンス中です", "システムはメンテナンス中です。リクエストは実行されていません。メンテナンス終了後にもう一度お試しください。"},
		simplifiedChinese:  {"系统维护中", "系统正在维护，您的请求尚未执行，请在维护结束后再试。"},
	},
	Unreachable: {
		traditionalChinese: {"無法連線至伺服器", "無法連線至伺服器，您的請求尚未送出，可以放心重試。"},
		english:            {"The server cannot be reached", "No server accepted the connection. Your request was not sent, so it is safe to try again."},
		japanese:           {"サーバーに接続できません", "サーバーに接続できませんでした。リクエストは送信されていないため、もう一度お試しいただいて問題ありません。"},
		simplifiedChinese:  {"无法连接到服务器", "无法连接到服务器，您的请求尚未发送，可以放心重试。"},
	},
	OutcomeUnknown: {
		traditionalChinese: {"執行結果不明", "伺服器在收到請求後停止運作，無法得知請求是否已經執行。請先確認結果，再決定是否重新送出。"},
		english:            {"The outcome is unknown", "The request was sent to a server that died; whether it was carried out is unknown. Look before you send it again."},
		japanese:           {"実行結果が不明です", "リクエストの送信後にサーバーが停止したため、実行されたかどうか分かりません。再送信する前に結果をご確認ください。"},
		simplifiedChinese:  {"执行结果未知", "服务器在收到请求后停止运行，无法得知请求是否已经执行。请先确认结果，再决定是否重新发送。"},
	},
	ServerTimeout: {
		traditionalChinese: {"伺服器逾時未回應", "伺服器未在時限內回應，但可能仍在執行您的請求。若要重新送出，請先確認結果。"},
		english:            {"The server did not answer in time", "The server did not answer in time and may still be working on your request. Look at the result before you send it again."},
		japanese:           {"サーバーが時間内に応答しませんでした", "サーバーが時間内に応答しませんでした。処理が続いている可能性があるため、再送信する前に結果をご確認ください。"},
		simplifiedChinese:  {"服务器响应超时", "服务器未在时限内响应，但可能仍在执行您的请求。如需重新发送，请先确认结果。"},
	},
	BadAnswer: {
		traditionalChinese: {"伺服器回應異常", "伺服器的回應無法解讀，請求可能已經執行。若要重新送出，請先確認結果。"},
		english:            {"The server's answer was unusable", "The server's answer could not be understood; the request may have been carried out. Look at the result before you send it again."},
		japanese:           {"サーバーの応答が正しくありません", "サーバーの応答を解釈できませんでした。リクエストは実行された可能性があるため、再送信する前に結果をご確認ください。"},
		simplifiedChinese:  {"服务器响应异常", "服务器的响应无法解析，请求可能已经执行。如需重新发送，请先确认结果。"},
	},
	BodyTooLarge: {
		traditionalChinese: {"傳送的內容過大", "請求的內容超過大小上限，尚未執行。請減少內容或縮小附件後再試。"},
		english:            {"The request is too large", "The request's body exceeds the size limit; it was not carried out. Please send less, or smaller attachments."},
		japanese:           {"送信内容が大きすぎます", "リクエストの内容がサイズの上限を超えているため、実行されませんでした。内容や添付ファイルを小さくしてからもう一度お試しください。"},
		simplifiedChinese:  {"发送的内容过大", "请求的内容超过大小上限，尚未执行。请减少内容或缩小附件后再试。"},
	},
	BadRequest: {
		traditionalChinese: {"請求格式不正確", "請求不完整或格式不正確，尚未執行。"},
		english:            {"The request is not valid", "The request is incomplete or malformed; it was not carried out."},
		japanese:           {"リクエストが正しくありません", "リクエストが不完全か、形式が正しくないため、実行されませんでした。"},
		simplifiedChinese:  {"请求格式不正确", "请求不完整或格式不正确，尚未执行。"},
	},
	Forbidden: {
		traditionalChinese: {"不允許此請求", "基於安全考量，此請求已被阻擋，並未執行。"},
		english:            {"This request is not allowed", "For security reasons this request was stopped; it was not carried out."},
		japanese:           {"このリクエストは許可されていません", "セキュリティ上の理由により、このリクエストは実行されませんでした。"},
		simplifiedChinese:  {"不允许此请求", "出于安全考虑，此请求已被拦截，并未执行。"},
	},
	NotCreated: {
		traditionalChinese: {"未能開單", "伺服器尚未備妥此流程，並未開立任何單，可以放心重新送出。"},
		english:            {"The ticket was not created", "The server is not ready for this flow. No ticket was created, so it is safe to send it again."},
		japanese:           {"チケットは作成されませんでした", "サーバーでこのフローの準備ができていないため、チケットは作成されていません。もう一度送信していただいて問題ありません。"},
		simplifiedChinese:  {"未能开单", "服务器尚未准备好此流程，并未开立任何单，可以放心重新发送。"},
	},
}

// labels are the words around a failure's text on the page.
type labels struct {
	requestID, refreshes, again string
}

var pageLabels = [languages]labels{
	traditionalChinese: {"請求編號", "本頁會自動重新整理。", "立即重試"},
	english:            {"Request ID", "This page refreshes by itself.", "Try again now"},
	japanese:           {"リクエストID", "このページは自動的に再読み込みされます。", "今すぐ再試行"},
	simplifiedChinese:  {"请求编号", "本页会自动刷新。", "立即重试"},
}
