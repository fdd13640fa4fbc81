package locale

type translations struct{ en, ja, hans string }

// texts is only read after the program has started.
var texts = map[string]translations{
	// Signing in.
	"登入成功。": {"Login successfully.", "ログインしました。", "登入成功。"},
	"登入失敗。": {"Login failed.", "ログインに失敗しました。", "登入失败。"},
	"登入失敗，查無此使用者帳號。": {"Login failed, no such user account was found.", "ログインに失敗しました，このユーザーアカウントは見つかりません。", "登入失败，查无此使用者帐号。"},
	"重複登入。": {"Duplicate login.", "アカウントはログインしています。", "重复登入。"},
	"帳號已登入，是否取代線上使用者？": {
		"The account is logged in, do you want to replace the online user?",
		"アカウントはログインしています。オンラインユーザーを置き換えますか？",
		"帐号已登入，是否取代线上使用者？",
	},

	// The REST API's door.
	"URL錯誤，請確認後重新發送請求。": {"URL error, please confirm and resend the request.", "URLエラー、もう一度送信してください。", "URL错误，请确认后重新发送请求。"},
	"安全碼錯誤，請確認安全碼或重新取得新的安全碼。": {
		"The security code is wrong. Please confirm the security code or obtain a new security code.",
		"コードが間違っています。コードを確認してください。または，新しいコードを入手してください。",
		"安全码错误，请确认安全码或重新取得新的安全码。",
	},
	"安全碼過期，請重新取得新的安全碼。": {
		"The security code has expired. Please obtain a new security code.",
		"コードの有効期限が切れています。新しいコードを入手してください。",
		"安全码过期，请重新取得新的安全码。",
	},
	"缺少安全碼。":      {"The security code is missing.", "コードがありません。", "缺少安全码。"},
	"缺少參數：":       {"Missing parameter:", "引数がありません：", "缺少参数："},
	"使用者不存在或未啟用。": {"User does not exist or is not enabled.", "ユーザーが存在しないか、起動されていません。", "使用者不存在或未启用。"},
	"取得成功。":       {"Success.", "成功。", "取得成功。"},

	// Tickets.
	"開單成功。":           {"Create data successfully.", "作成しました。", "开单成功。"},
	"推單成功。":           {"Push the data successfully.", "推進しました。", "推单成功。"},
	"刪除成功。":           {"Delete successfully.", "削除されました。", "删除成功。"},
	"查詢成功。":           {"The query was successful.", "検索成功。", "查询成功。"},
	"查詢失敗。":           {"The query failed.", "検索失敗。", "查询失败。"},
	"讀取成功。":           {"Read successfully.", "読み込みました。", "读取成功。"},
	"更新成功。":           {"Update successfully.", "更新されました。", "更新成功。"},
	"上傳成功。":           {"Uploaded successfully.", "アップロードされました。", "上传成功。"},
	"找不到流程。":          {"Cannot find the flow.", "フローが見つかりません。", "找不到流程。"},
	"找不到該筆資料。":        {"The data cannot be found.", "資料が見つかりません。", "找不到该笔资料。"},
	"找不到該資料庫：Omdata_": {"The database could not be found: Omdata_", "データベースが見つかりませんでした：Omdata_", "找不到该资料库：Omdata_"},
	"該流程目前為停用狀態。":     {"The flow is currently disabled.", "このフローは現在停止になっています。", "该流程目前为停用状态。"},
	"該單目前為執行狀態，無法進行更新/刪除。": {"The data is currently in execution and cannot be updated/deleted.", "データは現在実行中ので、更新/削除できません。", "该单目前为执行状态，无法进行更新/删除。"},
	"請提供正確的動作，新增、編輯或刪除。":   {"Please provide the correct action to add, edit or delete.", "正しい操作(作成、編集、削除)をしてください", "请提供正确的动作，新增、编辑或删除。"},
	"缺少必要參數，請確認後重新發送請求。":   {"Missing necessary parameters, please confirm and resend the request.", "必要な引数がありません。もう一度送信してください。", "缺少必要参数，请确认后重新发送请求。"},

	"缺少必填欄位。": {"Missing required fields.", "必要なフィールドがありません。", "缺少必填栏位。"},
	"該流程目前並未處於人工處理點，無法人工推進流程。": {
		"The flow is currently not at a manual flowing point, and the flow cannot be advanced manually.",
		"フローは現在手動処理ポイントにないため、フローを手動で進めることはできません。",
		"该流程目前并未处于人工处理点，无法人工推进流程。",
	},
	"查無此服務。": {"Check that this service is not available.", "そのようなサービスは見つかりません。", "查无此服务。"},

	// Settings.
	"建立成功。":          {"Created successfully.", "作成されました。", "建立成功。"},
	"重複名稱。":          {"Duplicate name.", "名が重複しています。", "重复名称。"},
	"LDAP更新正在執行。":    {"LDAP update is in progress.", "LDAPを更新しています。", "LDAP更新正在执行。"},
	"參數錯誤：":          {"Parameter error:", "引数エラー：", "参数错误："},
	"參數錯誤：無法刪除預設項目。": {"Parameter error:Cannot delete preset items.", "引数エラー：デフォルトアイテムを削除できません。", "参数错误：无法删除预设项目。"},
	"服務請求":           {"Service request", "サービス要求", "服务请求"},
	"資料收集":           {"Data collection", "データ収集", "资料收集"},
	"應用管理":           {"APP management", "アプリ管理", "应用管理"},
	"人員管理":           {"Staff management", "ユーザー管理", "人员管理"},
	"系統設定":           {"System settings", "システム設定", "系统设定"},

	// Flows and schedules.
	"上架成功。":                     {"Deploy successfully.", "リリースしました", "上架成功。"},
	"設定成功。":                     {"The setting is successful.", "設定しました。", "设定成功。"},
	"匯入成功。":                     {"Import successfully.", "インポートされました。", "汇入成功。"},
	"找不到該排程。":                   {"The schedule cannot be found.", "スケジュールが見つかりません。", "找不到该排程。"},
	"請選擇流程。\n":                  {"Please select a flow.\n", "フローを選択してください。\n", "请选择流程。\n"},
	"該流程未啟用API呼叫。":              {"API call is not enabled for this flow.", "フローではAPI呼び出しが有効になっていません。", "该流程未启用API呼叫。"},
	"下架成功。":                     {"Success to undeploy.", "撤去しました。", "下架成功。"},
	"重新上架成功。":                   {"Re-deploy successfully.", "再リリースしました。", "重新上架成功。"},
	"上架應用時失敗。":                  {"Failed to deploy the APP.", "アプリケーションがリリース中に失敗しました。", "上架应用时失败。"},
	"找不到該流程。":                   {"The flow could not be found.", "フローが見つかりませんでした。", "找不到该流程。"},
	"找不到該應用流程。":                 {"The APP flow could not be found.", "アプリフローが見つかりません。", "找不到该应用流程。"},
	"請提供必要參數：app_id或是app_name。": {"Please provide the necessary parameters: app_id or app_name.", "必要な引数を入力してください：app_idかapp_name。", "请提供必要参数：app_id或是app_name。"},
	"請提供正確的應用。":                 {"Please provide the correct APP.", "正しいアプリを入力してください。", "请提供正确的应用。"},

	// The stand-in's own pages.
	"登入":         {"Sign in", "ログイン", "登入"},
	"登出":         {"Sign out", "ログアウト", "登出"},
	"使用者名稱":      {"User name", "ユーザー名", "使用者名称"},
	"密碼":         {"Password", "パスワード", "密码"},
	"首頁":         {"Home", "ホーム", "首页"},
	"我的任務":       {"My missions", "私の任務", "我的任务"},
	"開單":         {"Open a ticket", "チケット作成", "开单"},
	"推單":         {"Push on", "推進", "推单"},
	"標題":         {"Title", "タイトル", "标题"},
	"描述":         {"Description", "説明", "描述"},
	"流程":         {"Flow", "フロー", "流程"},
	"單號":         {"Number", "番号", "单号"},
	"步驟":         {"Step", "ステップ", "步骤"},
	"更新時間":       {"Updated", "更新日時", "更新时间"},
	"附件":         {"Attachments", "添付ファイル", "附件"},
	"您已被登出。":     {"You have been signed out.", "ログアウトされました。", "您已被登出。"},
	"伺服器暫時無法回應。": {"The server does not answer just now.", "サーバーが一時的に応答しません。", "服务器暂时无法回应。"},
	"本頁由替身伺服器提供，僅供測試。": {
		"This page comes from a stand-in for OMFLOW Server, made for tests.",
		"このページはテスト用の代替サーバーのものです。",
		"本页由替身服务器提供，仅供测试。",
	},
}
